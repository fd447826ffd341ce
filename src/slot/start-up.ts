// What a worker thread is told: at its start, which may be before the peer connects, and at the begin of a transfer.
// Every field is shared memory, a number or a name, so that it crosses the thread boundary without a copy.

import type { MessagePort } from 'node:worker_threads';

import type { HostThreadsKey } from '../os/processor/host-threads.js';
import type { SlotGeometry } from './layout.js';

/** Known before there is a transfer: the thread loads what it needs for this with its other modules. */
export interface ThreadStartUp {
  /** Bounds the threads of all processes on this host together (os/host-threads.ts); absent = unbounded. */
  readonly hostThreads?: HostThreadsKey | undefined;
}

/** One transfer. A thread may serve several, one after the other. */
export interface WorkerStartUp extends ThreadStartUp {
  readonly arena: SharedArrayBuffer;
  readonly geometry: SlotGeometry;
  readonly ring: SharedArrayBuffer;
  /** Most bytes that a chunk of this transfer decodes to. */
  readonly maxChunk: number;
  /** Descriptor for jobs that read or write their own extent; -1 when there is none. */
  readonly fd: number;
  /** Reads of `fd` bypass the page cache in multiples of this many bytes; 1 = ordinary reads. */
  readonly alignment: number;
  /** Forces a zstd binding; empty for the best one installed. */
  readonly zstdBinding: string;
  /** zstd uses long-distance matching (OpenOptions.longDistance). */
  readonly longDistance?: boolean | undefined;
  /** Niceness of the thread (nice(2)); absent = as the process. */
  readonly nice?: number | undefined;
  /** Of a stream with a page store: its pages, and the turns of chunks at them (turns.ts). */
  readonly store?: { readonly pages: SharedArrayBuffer; readonly turns: SharedArrayBuffer } | undefined;
}

/** A thread that serves several transfers (bell.ts). */
export interface SharedStartUp {
  readonly bell: SharedArrayBuffer;
  /** This thread's number, from 0. */
  readonly thread: number;
  /** Brings {@link SeatMessage}s. */
  readonly port: MessagePort;
}

/** A transfer begins or ends at a thread that serves several. */
export type SeatMessage =
  | {
      readonly begin: number;
      readonly work: 'compress' | 'decompress';
      readonly startUp: WorkerStartUp;
    }
  | { readonly end: number };

export interface ScanStartUp extends WorkerStartUp {
  /** A 64-bit hash for each page, of the copy that was sent last. */
  readonly hashes: SharedArrayBuffer;
  /** The same for blocks of BLOCK_PAGES pages. */
  readonly blocks: SharedArrayBuffer;
  /** Differs between transfers, so that no guest can prepare pages that collide. */
  readonly seed: bigint;
}
