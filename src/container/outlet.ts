// Interface of an outlet: returns the bytes before the first chunk, the bytes of each finished slot and the bytes at the end.
// Each transfer has one outlet, on the main thread; the sender calls it in sequence order. An outlet does no I/O.

import type { Buffer } from 'node:buffer';

import type { CodecName } from '../codec/codec.js';
import type { Task } from '../slot/job.js';
import type { SlotViews } from '../slot/layout.js';
import type { StreamSums } from './sums.js';

/** The bytes of a finished slot, ready for the link. */
export interface OutgoingChunk {
  readonly bytes: Buffer;
  readonly decodedLength: number;
  /** Figures of a chunk, for the statistics; absent for bytes that travel uncompressed, outside chunks. */
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
  /** The task of the workers for a slot of this container. */
  readonly task: Task;
  /** Bytes in front of a chunk's record that the output area must leave free for the container's header. */
  readonly prefix: number;
  /** Whether bytes other than page contents travel outside chunks. */
  readonly regions: boolean;
  /** Whether chunks also hold bytes of unknown structure. Matters only with `regions`. */
  readonly compressesRest?: boolean;
  /** Largest size of a chunk in the output area, prefix included. */
  room(chunkSize: number): number;
  /** The bytes before the first chunk. */
  head(): Buffer;
  /** The bytes of a finished slot. Adds them to the totals. */
  depart(slot: SlotViews): OutgoingChunk;
  /** The totals record inside the stream, after this slot. */
  totals(slot: SlotViews): Buffer;
  /** The record after this slot that marks a compressed stream; absent where the container has no mark. */
  mark?(slot: SlotViews): Buffer;
  /** The bytes at the end. @param complete whether the input had its format's end of stream */
  tail(complete: boolean): Buffer;
  /** Sums of all chunks and bytes that the outlet has returned. */
  sums(): StreamSums;
}
