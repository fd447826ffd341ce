// Decides what a receiver will do, from its options and before the sender connects: threads, memory, limits, and the hello.
// The stream's header decides the rest within these limits: chunk size and page store.
// Pure. Code that runs a plan reads no options.

import type { HostThreadsKey } from '../../os/processor/host-threads.js';
import type { Hello } from '../../control/negotiation.js';
import type { ResolvedReceiveOptions } from '../../options/transfer.js';
import { codecBytes } from './codec-memory.js';
import { planReceiverPrestart, type PrestartPlan } from './prestart-plan.js';
import { checkMemory, receiverHello, type ReceiverMeans } from './receiver-hello.js';

/** How any stream is restored. */
export interface RestorePlan extends ReceiverMeans {
  /** The zstd binding; empty = the best one that works. */
  readonly zstdBinding: string;
  /** Milliseconds that the source may stall in the middle of a record; 0 = no limit. */
  readonly ioTimeout: number;
  /** Most bytes that the stream may decode to; absent = what the stream announces. */
  readonly maxSize?: number;
  /** Passes input that cannot be recognised or verified on unchanged. */
  readonly passThrough: boolean;
  /**
   * Another program reads the same source behind the end of this stream. No byte beyond the end is read, and a stream whose end
   * cannot be found is refused.
   */
  readonly shared?: boolean;
  /** The main thread decodes chunks until threads pay; false = threads decode all of them. */
  readonly inline?: boolean;
  /** The limit of decompression threads that several processes of this host share; absent = no limit. */
  readonly hostThreads?: HostThreadsKey | undefined;
}

export interface ReceivePlan extends RestorePlan {
  /** The receiver's first message on a duplex link. */
  readonly hello: Hello;
  readonly prestart: PrestartPlan;
}

type RestoreSettings = Pick<ResolvedReceiveOptions, 'memoryLimit' | 'decompressThreads'> &
  Partial<Pick<ResolvedReceiveOptions, 'zstdBinding' | 'ioTimeout' | 'maxSize' | 'passThrough'>>;

/** The part of the plan that does not depend on a peer. Without an `ioTimeout` the source may stall without a limit. */
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

/**
 * The hello loads every codec to know which work here, so it is made when it is read.
 * @throws ERR_MEMORY_LIMIT when there is too little memory for any stream
 */
export function planReceive(settings: RestoreSettings): ReceivePlan {
  const restore = planRestore(settings);
  checkMemory(restore);
  let hello: Hello | undefined;
  return {
    ...restore,
    get hello() {
      return (hello ??= receiverHello(restore));
    },
    get prestart() {
      return planReceiverPrestart(restore, this.hello);
    },
  };
}
