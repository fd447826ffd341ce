// How long the command `send` took, as measured. Plain data.

export interface CommandTime {
  /** Seconds from its start to its exit. */
  readonly wall: number;
  /** Seconds of processor time of all its threads; NaN where the system cannot be asked. */
  readonly cpu: number;
}
