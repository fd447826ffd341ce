// One write to the link as the writer measured it: the input of the link gauge and the drain meter. Plain data.

/** One write: its bytes, and when it began and ended, in milliseconds. */
export interface WriteFigures {
  readonly bytes: number;
  readonly began: number;
  readonly ended: number;
  /** Bytes that the kernel still held when it ended; undefined where that tells nothing (rate limits, files). */
  readonly queued: number | undefined;
  /** The same when it began. */
  readonly before?: number | undefined;
}
