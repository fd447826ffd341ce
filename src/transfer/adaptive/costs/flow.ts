// Sums over chunks that left, and over the chunks between two evaluations. Pure.

/**
 * Sums over chunks. Times in nanoseconds, sizes in bytes; times and sizes of the codec as zstd level 1 would have had them.
 */
export class Flow {
  decoded = 0;
  plain = 0;
  /** Of measured chunks: their bytes, and the time beside the codec. */
  measured = 0;
  around = 0;
  /** Of compressed chunks: codec time and the bytes that took it, encoded size and the bytes that it came from. */
  time = 0;
  timed = 0;
  size = 0;
  sized = 0;

  add(other: Flow): void {
    this.decoded += other.decoded;
    this.plain += other.plain;
    this.measured += other.measured;
    this.around += other.around;
    this.time += other.time;
    this.timed += other.timed;
    this.size += other.size;
    this.sized += other.sized;
  }

  fade(factor: number): void {
    this.decoded *= factor;
    this.plain *= factor;
    this.measured *= factor;
    this.around *= factor;
  }

  fadeCodec(factor: number): void {
    this.time *= factor;
    this.timed *= factor;
    this.size *= factor;
    this.sized *= factor;
  }
}

/**
 * What flowed between two evaluations. Memory comes in stretches: what is right for their average may be wrong for each.
 */
export interface Stretch {
  readonly flow: Flow;
  readonly chunks: number;
  /** When it ended. */
  readonly at: number;
}
