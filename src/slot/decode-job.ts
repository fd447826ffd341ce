// The job of a slot on the receiving side: what the worker is asked, or what the slot holds where no worker sees it, and the
// worker's results. It names numbers in shared memory and knows nothing of what becomes of them.

import { ChunkJob } from './chunk-job.js';

/** What a slot of a receiver holds. */
export const HOLDS = {
  /** A chunk that a worker decodes. */
  chunk: 0,
  /** Bytes that travel as they are, in the output area. */
  verbatim: 1,
  /** A totals record, to be compared in its turn. */
  totals: 2,
} as const;

/** Stands in `writeAt` where the main thread writes. */
const NOT_WRITTEN = -1;

// Integers.
const HELD = 40;
const INPUT_OFFSET = 42;
const OUTPUT_BOUND = 43;

// Doubles.
const WRITE_AT = 4;
const STREAM_OFFSET = 5;

export class DecodeJob extends ChunkJob {
  override begin(): void {
    super.begin();
    this.writeAt = NOT_WRITTEN;
  }

  // --- request ---

  /** One of HOLDS. */
  get holds(): number {
    return this.ints[HELD]!;
  }
  set holds(holds: number) {
    this.ints[HELD] = holds;
  }

  /** Where in the input area the record begins. */
  get inputOffset(): number {
    return this.ints[INPUT_OFFSET]!;
  }
  set inputOffset(offset: number) {
    this.ints[INPUT_OFFSET] = offset;
  }

  /** Most bytes that the frames may decode to. */
  get outputBound(): number {
    return this.ints[OUTPUT_BOUND]!;
  }
  set outputBound(bytes: number) {
    this.ints[OUTPUT_BOUND] = bytes;
  }

  /** Position in the regular file that the worker writes itself; negative where the main thread writes. */
  get writeAt(): number {
    return this.doubles[WRITE_AT]!;
  }
  set writeAt(position: number) {
    this.doubles[WRITE_AT] = position;
  }

  /** Offset in the encoded stream, for error messages. */
  get streamOffset(): number {
    return this.doubles[STREAM_OFFSET]!;
  }
  set streamOffset(offset: number) {
    this.doubles[STREAM_OFFSET] = offset;
  }
}
