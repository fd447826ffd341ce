// What a receiver will do, decided from its options before the sender connects: threads, memory, limits, and the hello.
// The stream decides the rest: its header says which chunks and which page store arrive, within these limits.
// Pure; behind the plan nothing reads options.

import type { HostThreadsKey } from '../../os/host-threads.js';
import type { Hello } from '../../control/negotiation.js';
import type { ResolvedReceiveOptions } from '../../options/transfer.js';
import { codecBytes } from './codec-memory.js';
import { planReceiverPrestart, type PrestartPlan } from './prestart-plan.js';
import { receiverHello } from './receiver-hello.js';

/** How a stream is restored, whatever stream it is. */
export interface RestorePlan {
  readonly threads: number;
  /** Bytes that slots, codecs and the page store may take together. */
  readonly memoryLimit: number;
  /** Most bytes that any codec of this installation holds in one thread, for chunks of this size. */
  readonly codecBytes: (chunkSize: number) => number;
  /** The zstd binding; empty = the best one that works. */
  readonly zstdBinding: string;
  /** Milliseconds that the source may take in the middle of a record; 0 = no limit. */
  readonly ioTimeout: number;
  /** Most bytes that the stream may decode to; absent = what the stream announces. */
  readonly maxSize?: number;
  /** Hands on what cannot be recognised or verified, unchanged. */
  readonly passThrough: boolean;
  /**
   * Another program reads the same source behind the end of this stream: not one byte beyond the end is read, and a stream
   * whose end cannot be told is refused.
   */
  readonly shared?: boolean;
  /** The limit of decompression threads that several processes of this host share; absent = no limit. */
  readonly hostThreads?: HostThreadsKey | undefined;
}

export interface ReceivePlan extends RestorePlan {
  /** What the receiver says first on a duplex link. */
  readonly hello: Hello;
  readonly prestart: PrestartPlan;
}

type RestoreSettings = Pick<ResolvedReceiveOptions, 'memoryLimit' | 'decompressThreads'> &
  Partial<Pick<ResolvedReceiveOptions, 'zstdBinding' | 'ioTimeout' | 'maxSize' | 'passThrough'>>;

/** How a receiver with these options restores any stream. Without an `ioTimeout` the source may stall for ever. */
export function planRestore(settings: RestoreSettings): RestorePlan {
  const { decompressThreads, memoryLimit, zstdBinding = '', ioTimeout = 0, maxSize } = settings;
  return {
    threads: decompressThreads,
    memoryLimit,
    codecBytes: (chunkSize) => codecBytes(settings, chunkSize),
    zstdBinding,
    ioTimeout,
    ...(maxSize === undefined ? {} : { maxSize }),
    passThrough: settings.passThrough ?? false,
  };
}

/** @throws ERR_MEMORY_LIMIT when there is too little memory for any stream */
export function planReceive(settings: RestoreSettings): ReceivePlan {
  const restore = planRestore(settings);
  const hello = receiverHello(settings);
  return { ...restore, hello, prestart: planReceiverPrestart(restore, hello) };
}
