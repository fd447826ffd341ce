// What a transfer costs beside its codec, as measured by the command and the main threads. Plain data.

/** Seconds of the main thread's processor time. */
export interface MainCost {
  readonly perWireByte: number;
  readonly perChunk: number;
  readonly perGuestByte: number;
}

export interface CommandTime {
  /** Seconds from its start to its exit. */
  readonly wall: number;
  /** Seconds of processor time of all its threads; NaN where the system cannot be asked. */
  readonly cpu: number;
}
