// Interface of an outlet: gives the bytes before the first chunk, the bytes of each finished slot and the bytes at the end.
// Each transfer has one outlet, on the main thread, called in sequence order. An outlet does no I/O.

import type { Buffer } from 'node:buffer';

import type { CodecName } from '../codec/codec.js';
import type { Task } from '../slot/job.js';
import type { SlotViews } from '../slot/layout.js';
import type { StreamSums } from './sums.js';

/** What a finished slot becomes. */
export interface OutgoingChunk {
  readonly bytes: Buffer;
  readonly decodedLength: number;
  /** Figures of a chunk, for the statistics; absent for bytes that travel as they are. */
  readonly chunk?: {
    readonly codec: CodecName;
    readonly zero: number;
    readonly literal: number;
    readonly duplicate: number;
    readonly same: number;
    readonly delta: number;
  };
}

export interface Outlet {
  /** One of TASK: what the workers do with a slot for this container. */
  readonly task: Task;
  /** Bytes that the outlet needs in front of a chunk's record in the output area. */
  readonly prefix: number;
  /** Whether bytes of other records travel outside chunks. */
  readonly regions: boolean;
  /** Whether chunks also hold bytes of unknown structure. Matters only with `regions`. */
  readonly compressesRest?: boolean;
  /** Bytes of output area that a chunk can need, prefix and all. */
  room(chunkSize: number): number;
  head(): Buffer;
  depart(slot: SlotViews): OutgoingChunk;
  /** The totals record that has its place inside the stream, after this slot. */
  totals(slot: SlotViews): Buffer;
  /** The record that marks a compressed stream, after this slot; absent where none does. */
  mark?(slot: SlotViews): Buffer;
  /** @param complete the input ended where its format says that it ends */
  tail(complete: boolean): Buffer;
  /** Sums of everything that the outlet has given out. */
  sums(): StreamSums;
}
