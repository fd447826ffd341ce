// `WayTime`: how long a chunk takes from its write to its acknowledgement on an empty way, without queueing. Takes the delays of
// chunks and keeps the shortest. The true value shows only on an empty way and may change, so while writes are held back the way is
// sometimes drained to one chunk, whose delay is then the measure (TCP BBR's ProbeRTT). It sends nothing itself and sets no limits.

/** The first probe comes soon: the first chunks wait for each other and for a receiver that starts its threads. */
const FIRST_PROBE_MS = 500;
/** Later probes are rare: during a probe the link idles for as long as the way takes. */
const PROBE_INTERVAL_MS = 10_000;
/**
 * Chunks that are late at the smallest limit may mean that the way has become longer: then a probe comes this soon. Each probe that
 * finds no longer way doubles the delay, because on a slow way large chunks are always late.
 */
const LATE_PROBE_MS = 1000;
/** Ratio from which a measured way counts as longer than the shortest known one. */
const LONGER_RATIO = 1.5;

export class WayTime {
  readonly #now: () => number;
  #shortest = Infinity;
  #probing = false;
  #intervalMs = FIRST_PROBE_MS;
  #lateMs = LATE_PROBE_MS;
  /** When the first chunk arrived, or the last probe ended. */
  #since = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Shortest delay of a chunk since the last probe, in milliseconds; Infinity at first. */
  get shortest(): number {
    return this.#shortest;
  }

  /** A probe is under way: the next chunk shall find the way empty. */
  get probing(): boolean {
    return this.#probing;
  }

  /** @param milliseconds delay of a chunk outside of a probe */
  measured(milliseconds: number): void {
    if (this.#shortest === Infinity) this.#since = this.#now();
    this.#shortest = Math.min(this.#shortest, milliseconds);
  }

  /**
   * Begins a probe, if it is time. Called only while writes are held back: otherwise chunks meet an empty way anyhow.
   * @param isLate chunks are late at the smallest limit
   * @returns whether a probe has begun
   */
  beginProbe(isLate: boolean): boolean {
    const interval = isLate ? Math.min(this.#lateMs, this.#intervalMs) : this.#intervalMs;
    if (this.#now() - this.#since < interval) return false;
    this.#intervalMs = PROBE_INTERVAL_MS;
    this.#probing = true;
    return true;
  }

  /** Ends a probe with the delay of the chunk that found the way empty. Shorter delays from before are forgotten. */
  probed(milliseconds: number): void {
    this.#lateMs = milliseconds > this.#shortest * LONGER_RATIO ? LATE_PROBE_MS : this.#lateMs * 2;
    this.#shortest = milliseconds;
    this.endProbe();
  }

  /** Ends a probe, also without a measurement: while nothing is acknowledged, none is possible. */
  endProbe(): void {
    this.#probing = false;
    this.#since = this.#now();
  }
}
