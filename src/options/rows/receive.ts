// The options of receive.

import { allowedCpus } from '../../os/processor/cpus.js';
import type { Size } from '../amounts.js';
import type { TransferOptions } from './common.js';
import type { HypervisorOptions } from './hypervisor.js';
import { count, flag, size } from '../kinds.js';
import { DECOMPRESS_THREADS, DEFAULT_MEMORY_LIMIT, LIMITS } from '../limits.js';
import type { Rows } from '../row.js';

/** The options of receive. Only input and output are required. */
export interface ReceiveOptions extends TransferOptions, HypervisorOptions {
  /** Decompression threads, 1 to 255. Default: as many CPUs as the process may use, at most 2. */
  readonly decompressThreads?: number | undefined;
  /**
   * Bytes that the output may take, 1 or more. A stream that decodes to more fails with ERR_STREAM_LIMIT. Default: the length that
   * the stream's header announces, where it does (a RAM image that was sent from a file), else no limit.
   */
  readonly maxSize?: Size | undefined;
  /**
   * Pass on any input, compressed or not. False: uncompressed QEMU, libvirt and Xen streams are passed on; any other input that
   * ramferry did not write fails with ERR_STREAM_MAGIC. Default false.
   */
  readonly passThrough?: boolean | undefined;
  /**
   * Continue the output that an earlier transfer with this option has left, and keep what has come when this one fails, in
   * `OUTPUT.partial` and `OUTPUT.partial.journal`. The sender must send the same regular file again; it fails with ERR_INPUT_CHANGED when
   * its first bytes are others. For an output file and a tcp or unix link, without `oneWay`, `directIo` and `passThrough`. Default false.
   */
  readonly resume?: boolean | undefined;
}

export const RECEIVE_ROWS = {
  decompressThreads: {
    kind: count(LIMITS.threads),
    help: 'decompression threads',
    commands: ['receive', 'incoming', 'inspect', 'emu-manager'],
    default: () => Math.min(DECOMPRESS_THREADS, allowedCpus()),
    defaultText: `CPUs, at most ${DECOMPRESS_THREADS}`,
    environment: true,
  },
  maxSize: {
    kind: size(LIMITS.maxSize),
    help: 'refuse a stream that decodes to more',
    commands: ['receive', 'incoming', 'serve'],
    defaultText: 'what the stream announces, else no limit',
    environment: true,
  },
  passThrough: {
    kind: flag(),
    help: 'hand on a stream that is not compressed',
    commands: ['receive'],
    default: false,
    environment: true,
  },
  resume: {
    kind: flag(),
    help: 'continue the output file of a transfer that broke off, and keep what has come if this one does',
    commands: ['receive'],
    default: false,
    environment: true,
  },
} as const satisfies Rows;

/** Further options of inspect. */
export const INSPECT_ROWS = {
  memoryLimit: {
    kind: size(LIMITS.memoryLimit),
    help: 'memory for --verify',
    commands: ['inspect'],
    default: DEFAULT_MEMORY_LIMIT,
    environment: true,
  },
} as const satisfies Rows;
