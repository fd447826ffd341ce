// The options of send.

import { CODEC_NAMES, type CodecName } from '../../codec/codec.js';
import { ZSTD_LEVELS } from '../../codec/level.js';
import { allowedCpus } from '../../os/processor/cpus.js';
import { DOWNTIME_LIMIT_MS } from '../../model/precopy.js';
import { PAGE_BYTES } from '../../page/size.js';
import {
  type CpuShare,
  type Duration,
  type Format,
  FORMATS,
  type Method,
  METHODS,
  type Rate,
  type Size,
} from '../amounts.js';
import type { TransferOptions } from './common.js';
import type { HypervisorOptions } from './hypervisor.js';
import {
  choice,
  count,
  cpuShare,
  duration,
  flag,
  guestName,
  onOff,
  rate,
  size,
  xenguestVersion,
} from '../kinds.js';
import { COMPRESS_THREADS, DEFAULT_CHUNK_BYTES, DEFAULT_STORE_BYTES, LIMITS, RATE } from '../limits.js';
import type { Rows } from '../row.js';

/** The options of send. Only input and output are required. */
export interface SendOptions extends TransferOptions, HypervisorOptions {
  /**
   * Compression threads, 1 to 255. More threads need more memory (`memoryLimit`). Default: as many CPUs as the process may use, at
   * most 8.
   */
  readonly compressThreads?: number | undefined;
  /**
   * Compression level: 0 stores, 1 is fastest. The highest depends on the codec (`features()` lists the levels; zstd: -50 to 19).
   * A level that the codec does not have fails with ERR_OPTION_INVALID. Adaptive mode begins with it. Default 1.
   */
  readonly compressLevel?: number | undefined;
  /**
   * Codec of the chunks: `none`, `lz4`, `zstd` or `zlib`. Adaptive mode keeps to it. A receiver that cannot read it makes the sender
   * use another one, with a warning. Default `zstd`.
   */
  readonly codec?: CodecName | undefined;
  /**
   * Choose codec and level of each chunk by measurements during the transfer (docs/ADAPTIVE.md). Default: true on sockets,
   * pipes and commands when neither `codec` nor `compressLevel` is given, else false.
   */
  readonly adaptive?: boolean | undefined;
  /** Highest level that adaptive mode may choose, -50 to 19. Default 19. */
  readonly maxLevel?: number | undefined;
  /**
   * Processor time that the transfer may take, in CPUs (`1.5`, `150%`), 0.05 to 255. Beyond it the sender pauses its compression
   * threads. Default: no limit.
   */
  readonly maxCpu?: CpuShare | undefined;
  /** Niceness of the compression threads, 0 to 19. Default: that of the process. */
  readonly nice?: number | undefined;
  /**
   * Bytes of guest stream in a chunk, 64 KiB to 16 MiB, a multiple of 4096. Larger chunks compress better and take more memory and
   * downtime. A receiver that cannot hold them makes the sender use smaller ones, with a warning. Default 1 MiB; adaptive mode may
   * take 2 MiB of an image in a file.
   */
  readonly chunkSize?: Size | undefined;
  /**
   * Long window: bytes over which zstd finds repetitions, 16 to 64 MiB, a multiple of 4096. Chunks get that size. It sends fewer
   * bytes and needs more processor time, more memory on both sides and more downtime. Excludes `chunkSize`; needs codec `zstd` with
   * a binding that supports it. Default: none.
   */
  readonly window?: Size | undefined;
  /** Bytes per second that may leave. Default 0: no limit. */
  readonly maxBandwidth?: Rate | undefined;
  /**
   * Milliseconds for which the guest may be paused, 1 to 2^31 - 1: the hypervisor's own limit. The hypervisor decides when to pause.
   * Progress reports predict convergence with this limit, and from QEMU bytes are taken near the end of a round so that its estimate
   * keeps it. Default 300, as in QEMU.
   */
  readonly downtimeLimit?: Duration | undefined;
  /**
   * Whether a chunk waits for a compression thread. False: a chunk that finds all threads busy leaves uncompressed. Default true, as
   * in QEMU.
   */
  readonly compressWaitThread?: boolean | undefined;
  /** Decode every chunk before it leaves, and compare. A difference fails with ERR_SELF_CHECK. Default false. */
  readonly selfCheck?: boolean | undefined;
  /**
   * Bytes of the page store, a multiple of 4096; 0 is none. Pages that are sent again travel as differences; equal pages are not
   * sent. Only for streams with page numbers (QEMU, Xen). A receiver with less memory makes the sender use less, with a warning.
   * Default 64 MiB, or less where the memory limit or the receiver leaves less.
   */
  readonly xbzrleCacheSize?: Size | undefined;
  /**
   * Where compression applies: `xenguest` inside the stream's records, `stream` in standard frames around it. `stream` with codec
   * `none` or level 0 fails with ERR_OPTION_INVALID. Default `xenguest`.
   */
  readonly method?: Method | undefined;
  /**
   * Version of method `xenguest` for a Xen stream, 1 or 2. Ramferry 0.1 reads version 1, which has no marks (docs/FORMAT.md) and
   * leaves bytes of unknown structure uncompressed. Default 2. For a receiver that reads version 1 only, the sender uses the native
   * container, which every version reads.
   */
  readonly xenguestVersion?: 1 | 2 | undefined;
  /**
   * Kind of the input. `auto` decides by its first bytes. A Xen format is checked against them (ERR_INPUT_UNKNOWN); any other format
   * is not checked. Default `auto`.
   */
  readonly format?: Format | undefined;
  /** Milliseconds after which waiting bytes leave although their chunk is not full, 1 to 60,000. Default 50. */
  readonly flushAfter?: Duration | undefined;
  /**
   * The guest's name for a receiver that serves many (`ramferry serve`): letters, digits, `.`, `_` and `-`, at most 64, beginning
   * with a letter or digit, without `..`. Any other receiver does not ask for it. Default: none.
   */
  readonly name?: string | undefined;
}

export const SEND_ROWS = {
  compressThreads: {
    kind: count(LIMITS.threads),
    help: 'compression threads',
    commands: ['send', 'migrate', 'qemu-migrate'],
    default: () => Math.min(COMPRESS_THREADS, allowedCpus()),
    defaultText: `CPUs, at most ${COMPRESS_THREADS}`,
    environment: true,
  },
  compressLevel: {
    kind: count(),
    help: '0 stores, 1 is fastest',
    commands: ['send', 'migrate', 'qemu-migrate', 'emu-manager', 'serve'],
    default: 1,
    environment: true,
  },
  codec: {
    kind: choice(CODEC_NAMES),
    help: 'how chunks are compressed',
    commands: ['send', 'migrate', 'qemu-migrate', 'emu-manager', 'serve'],
    default: 'zstd',
    environment: true,
  },
  adaptive: {
    kind: flag(),
    help: 'choose codec and level while sending',
    commands: ['send', 'migrate', 'qemu-migrate', 'serve'],
    defaultText: 'yes, on links, without codec and level',
    environment: true,
  },
  maxLevel: {
    kind: count(ZSTD_LEVELS),
    help: 'highest level that the adaptive mode may choose',
    commands: ['send', 'migrate', 'qemu-migrate', 'serve'],
    default: ZSTD_LEVELS.max,
    environment: true,
  },
  maxCpu: {
    kind: cpuShare(LIMITS.maxCpu),
    help: 'processor time that sending may take, in CPUs: 1.5 or 150%',
    commands: ['send', 'migrate', 'qemu-migrate'],
    environment: true,
  },
  nice: {
    kind: count(LIMITS.nice),
    help: 'niceness of the compression threads',
    commands: ['send', 'migrate', 'qemu-migrate'],
    environment: true,
  },
  chunkSize: {
    kind: size(LIMITS.chunkSize, PAGE_BYTES),
    help: 'guest memory in a chunk',
    commands: ['send', 'migrate', 'qemu-migrate', 'emu-manager', 'serve'],
    default: DEFAULT_CHUNK_BYTES,
    environment: true,
  },
  window: {
    kind: size(LIMITS.window, PAGE_BYTES),
    help: 'find repetitions over so much memory: for slow links, more memory, more downtime',
    commands: ['send'],
    environment: true,
    excludes: {
      names: ['chunkSize'],
      message: 'window and chunkSize cannot both be given',
      hint: 'the window is the size of the chunks',
    },
  },
  maxBandwidth: {
    kind: rate(RATE),
    help: 'limit of the link: 1gbit, 100MB, 32MiB per second; 0 = none',
    commands: ['send', 'migrate', 'qemu-migrate', 'serve'],
    default: 0,
    environment: true,
  },
  downtimeLimit: {
    kind: duration(LIMITS.downtimeLimit),
    help: "the hypervisor's own downtime-limit: for progress's expectations, and to pace the end of QEMU's rounds",
    commands: ['send', 'serve'],
    default: DOWNTIME_LIMIT_MS,
    environment: true,
  },
  xbzrleCacheSize: {
    kind: size(LIMITS.xbzrleCacheSize, PAGE_BYTES),
    help: 'page store: pages sent again travel as differences; 0 = off',
    commands: ['send', 'migrate', 'qemu-migrate', 'serve'],
    usual: DEFAULT_STORE_BYTES,
    environment: true,
  },
  compressWaitThread: {
    kind: onOff(),
    help: 'on or off: wait for a free thread, or send uncompressed when none is free',
    commands: ['send', 'migrate', 'qemu-migrate'],
    default: true,
    environment: true,
  },
  selfCheck: {
    kind: flag(),
    help: 'decode every chunk before it leaves, and compare',
    commands: ['send', 'migrate', 'qemu-migrate', 'serve'],
    default: false,
    environment: true,
  },
  method: {
    kind: choice(METHODS),
    help: 'where compression lives, inside the stream or around it',
    commands: ['send'],
    default: 'xenguest',
    environment: true,
    configKey: 'migration-compressor',
  },
  xenguestVersion: {
    kind: xenguestVersion(),
    help: '1: write Xen streams that ramferry 0.1 reads, without the marks that betray damage',
    commands: ['send'],
    usual: 2,
    environment: true,
  },
  format: {
    kind: choice(FORMATS),
    help: 'what the input is',
    commands: ['send'],
    default: 'auto',
    environment: true,
  },
  flushAfter: {
    kind: duration(LIMITS.flushAfter),
    help: 'how long bytes may wait for a full chunk',
    commands: ['send', 'migrate', 'qemu-migrate', 'emu-manager', 'serve'],
    default: 50,
    environment: true,
  },
  name: {
    kind: guestName(),
    help: "the guest's name, for a receiver that is `ramferry serve`",
    commands: ['send', 'qemu-migrate'],
    environment: true,
  },
} as const satisfies Rows;
