// The options of `emu-manager`, which replaces xapi's emu-manager.

import { allowedCpus } from '../../os/processor/cpus.js';
import { PAGE_BYTES } from '../../page/size.js';
import { count, flag, size, xenguestVersion } from '../kinds.js';
import { LIMITS } from '../limits.js';
import type { ReceiveOptions } from './receive.js';
import type { Rows } from '../row.js';
import type { SendOptions } from './send.js';

/** Two threads keep up with one xenguest, which is single-threaded. Ten fronts must fit into a control domain. */
const THREADS = 2;

/** Options shared with send and receive. */
type Shared = Pick<
  SendOptions,
  'codec' | 'compressLevel' | 'chunkSize' | 'memoryLimit' | 'xenguestVersion' | 'zstdBinding' | 'flushAfter'
>;

/** The options of the emu-manager front. A value that is out of range is refused with ERR_OPTION_INVALID. */
export interface EmuOptions extends Shared {
  /** Compression threads of a save, 1 to 255. Default: as many CPUs as the process may use, at most 2. */
  readonly compressThreads?: SendOptions['compressThreads'];
  /** Decompression threads of a restore, 1 to 255. Default: as many CPUs as the process may use, at most 2. */
  readonly decompressThreads?: ReceiveOptions['decompressThreads'];
  /** Bytes of the page store of a save, a multiple of 4096; 0 is none. Default 0: ten migrations at once share the host's memory. */
  readonly xbzrleCacheSize?: SendOptions['xbzrleCacheSize'];
  /** Decode every chunk before it leaves, and compare. A difference fails with ERR_SELF_CHECK. Default true. */
  readonly selfCheck?: boolean | undefined;
  /** Threads of all migrations on this host together, 0 to 255; 0 is no limit. Default: as many as the process may use CPUs. */
  readonly hostThreads?: number | undefined;
  /** Also compress the vGPU's stream. The other host needs the same setting. Default false. */
  readonly compressVgpu?: boolean | undefined;
}

export const EMU_ROWS = {
  compressThreads: {
    kind: count(LIMITS.threads),
    help: 'compression threads',
    commands: ['emu-manager'],
    default: () => Math.min(THREADS, allowedCpus()),
    defaultText: `CPUs, at most ${THREADS}`,
    environment: true,
  },
  hostThreads: {
    kind: count({ min: 0, max: LIMITS.threads.max }),
    help: 'threads of all migrations on this host together; 0 = no limit',
    commands: ['emu-manager'],
    default: () => Math.min(allowedCpus(), LIMITS.threads.max),
    defaultText: 'CPUs',
    environment: true,
  },
  memoryLimit: {
    kind: size(LIMITS.memoryLimit),
    help: 'memory that one migration may take',
    commands: ['emu-manager'],
    defaultText: '320MiB; of a save 256MiB and the page store',
    environment: true,
  },
  /**
   * No page store by default. The evacuation of a host runs ten migrations at once, each with a store in the control domain's
   * memory at both ends, and the sender does not learn how much memory the other host has left.
   */
  xbzrleCacheSize: {
    kind: size(LIMITS.xbzrleCacheSize, PAGE_BYTES),
    help: 'page store of a save: what was sent before is sent as its difference; 0 = none',
    commands: ['emu-manager'],
    default: 0,
    environment: true,
  },
  selfCheck: {
    kind: flag(),
    help: 'decode every chunk before it leaves, and compare; --no-self-check saves the time',
    commands: ['emu-manager'],
    default: true,
    environment: true,
  },
  compressVgpu: {
    kind: flag(),
    help: "compress the vGPU's stream as well: both hosts must say so",
    commands: ['emu-manager'],
    default: false,
    environment: true,
  },
  xenguestVersion: {
    kind: xenguestVersion(),
    help: '1: a save that hosts with ramferry 0.1 can restore, without the marks that betray damage',
    commands: ['emu-manager'],
    default: 2,
    environment: true,
  },
} as const satisfies Rows;
