// `LinkPace`: limits the number of chunks in the pool by the measured rate of the link. What ramferry and its socket hold when the guest
// is paused counts as downtime, so the pool holds no more than the link drains in IN_FLIGHT_DRAIN_MS. Takes the figures of every
// write. Time decides how many chunks are in the pool, and never their bytes.

import { chunksInFlight, IN_FLIGHT_DRAIN_MS } from '../../model/pipeline.js';

/** While a delivery window holds writes back, the bytes in flight must drain, too: the pool gets a third. */
const HELD_BACK_DRAIN_MS = 20;
/** Rates are measured over intervals of this length. */
const INTERVAL_MS = 100;
/** The link is the limit when writes wait for it for more than this share of the time; below, the codec is. */
const LIMITING_SHARE = 0.5;
/** Weight of the newest rate in the moving average. */
const SMOOTHING = 0.5;

export class LinkPace {
  readonly #now: () => number;
  #intervalStart: number;
  #bytes = 0;
  #waited = 0;
  #chunks = 0;
  #heldBack = false;
  /** Milliseconds within which the link must drain the pool. */
  #drainMs = IN_FLIGHT_DRAIN_MS;
  /** Bytes per millisecond while the link was the limit; undefined while it is not. */
  #rate: number | undefined;
  #chunkBytes = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#intervalStart = now();
  }

  /** Bytes per second of the link while it is the limit; undefined while it keeps up. */
  get linkRate(): number | undefined {
    return this.#rate === undefined ? undefined : this.#rate * 1000;
  }

  /**
   * @param waited milliseconds that the write took
   * @param chunks in this write
   * @param heldBack the write waited for the delivery window
   */
  wrote(bytes: number, waited: number, chunks = 1, heldBack = false): void {
    this.#bytes += bytes;
    this.#waited += waited;
    this.#chunks += chunks;
    this.#heldBack ||= heldBack;
    const elapsed = this.#now() - this.#intervalStart;
    if (elapsed < INTERVAL_MS) return;
    if (this.#waited > elapsed * LIMITING_SHARE) {
      const rate = this.#bytes / elapsed;
      this.#rate = this.#rate === undefined ? rate : this.#rate + SMOOTHING * (rate - this.#rate);
    } else {
      this.#rate = undefined;
    }
    this.#chunkBytes = this.#bytes / this.#chunks;
    // With HELD_BACK_DRAIN_MS a slow codec may not fill the way; then no write is held back, and the pool gets all again.
    this.#drainMs = this.#heldBack ? HELD_BACK_DRAIN_MS : IN_FLIGHT_DRAIN_MS;
    this.#heldBack = false;
    this.#intervalStart = this.#now();
    this.#bytes = this.#waited = this.#chunks = 0;
  }

  /** Chunks that may be in the pool at once; at least one, Infinity while the link keeps up. */
  get chunks(): number {
    if (this.#rate === undefined) return Infinity;
    return chunksInFlight(this.#rate * this.#drainMs, Math.max(1, this.#chunkBytes));
  }
}
