// What every way of receiving has in common: its settings, and how it ends.

import type { StreamSums } from '../../container/sums.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import type { RamferryError } from '../../errors.js';
import type { HostThreadsKey } from '../../os/host-threads.js';
import type { FewerThreads, GivenThreads } from '../../pool/worker-pool.js';
import type { StoreMemory } from '../../store/shared.js';
import type { Statistics } from '../statistics/statistics.js';

export interface ReceiverSettings {
  readonly source: ByteSource;
  /** Bytes of the source that were read to recognise the stream. */
  readonly head: Uint8Array;
  readonly sink: ByteSink;
  readonly threads: number;
  readonly memoryLimit: number;
  /** Most bytes that any codec of this installation holds in one thread, for chunks of this size. */
  readonly codecBytes: (chunkSize: number) => number;
  readonly zstdBinding: string;
  /** Milliseconds that the source may take in the middle of a record; 0 = for ever. */
  readonly ioTimeout: number;
  /** Most bytes that the stream may decode to; absent = what it announces. */
  readonly maxSize?: number;
  /** Hand on what cannot be recognised or verified. */
  readonly passThrough: boolean;
  readonly hostThreads?: HostThreadsKey | undefined;
  /** Called once, when the host gives fewer threads than were asked for. */
  readonly onFewer?: FewerThreads | undefined;
  /** Threads that are there already; whoever asks has them. */
  readonly crew?: (() => GivenThreads | undefined) | undefined;
  /** Memory for the page store that is there already. */
  readonly storeMemory?: StoreMemory | undefined;
  /**
   * The source is somebody else's too, who reads on where this stream ends: not one byte beyond the end is read, and a
   * stream whose end cannot be told is refused.
   */
  readonly shared?: boolean;
  /** Called when the sink has taken everything and all of it is verified, before the threads are ended. */
  readonly onDelivered?: (() => void) | undefined;
  readonly statistics: Statistics;
}

export interface Outcome {
  /** Decoded bytes, all of them in the sink. */
  readonly bytes: number;
  /** An end mark of ours was seen and is right. */
  readonly verified: boolean;
  /** What the stream added up to, for the sender; absent where it was handed on as it came. */
  readonly sums?: StreamSums;
}

/** One transfer: run() once, abort() at any time. */
export interface Receiving {
  run(): Promise<Outcome>;
  /** Ends the transfer from outside: run() rejects with this error. */
  abort(error: RamferryError): void;
}

/** Ends both sides at once: whoever reads or writes learns it. */
export function hangUp({ source, sink }: Pick<ReceiverSettings, 'source' | 'sink'>): void {
  void source.close();
  void sink.abort();
}
