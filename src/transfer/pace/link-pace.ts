// How many chunks may be under way. What ramferry and its socket hold when the guest is paused counts as the guest's
// downtime, so the amount follows the link: no more than the link drains in IN_FLIGHT_DRAIN_MS at the rate that was measured.
// Fed with every write; depends on time, but only the number of chunks under way does, never their bytes.

import { chunksInFlight, IN_FLIGHT_DRAIN_MS } from '../../model/pipeline.js';

/** Behind a delivery window that holds writes back the way holds enough already: both together are what must drain. */
const HELD_BACK_DRAIN_MS = 20;
/** A rate is measured over windows of this length. */
const WINDOW_MS = 100;
/** The link limits when writes wait for it for this share of the time; below, the codec does. */
const LIMITING_SHARE = 0.5;
const SMOOTHING = 0.5;

export class LinkPace {
  readonly #now: () => number;
  #windowStart: number;
  #bytes = 0;
  #waited = 0;
  #chunks = 0;
  #heldBack = false;
  /** Milliseconds that the link may take for what is under way. */
  #drain = IN_FLIGHT_DRAIN_MS;
  /** Bytes per millisecond while the link was the limit; undefined while it is not. */
  #rate: number | undefined;
  #chunkBytes = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#windowStart = now();
  }

  /** Bytes per second of a link that limits; undefined when it keeps up. */
  get linkRate(): number | undefined {
    return this.#rate === undefined ? undefined : this.#rate * 1000;
  }

  /**
   * @param waited milliseconds that the write of so many chunks took
   * @param heldBack it waited for the delivery window
   */
  wrote(bytes: number, waited: number, chunks = 1, heldBack = false): void {
    this.#bytes += bytes;
    this.#waited += waited;
    this.#chunks += chunks;
    this.#heldBack ||= heldBack;
    const elapsed = this.#now() - this.#windowStart;
    if (elapsed < WINDOW_MS) return;
    if (this.#waited > elapsed * LIMITING_SHARE) {
      const rate = this.#bytes / elapsed;
      this.#rate = this.#rate === undefined ? rate : this.#rate + SMOOTHING * (rate - this.#rate);
    } else {
      this.#rate = undefined;
    }
    this.#chunkBytes = this.#bytes / this.#chunks;
    // A codec that cannot fill the way with so little is given more as soon as nothing is held back.
    this.#drain = this.#heldBack ? HELD_BACK_DRAIN_MS : IN_FLIGHT_DRAIN_MS;
    this.#heldBack = false;
    this.#windowStart = this.#now();
    this.#bytes = this.#waited = this.#chunks = 0;
  }

  /** Chunks that may be under way at once; at least one. */
  get chunks(): number {
    if (this.#rate === undefined) return Infinity;
    return chunksInFlight(this.#rate * this.#drain, Math.max(1, this.#chunkBytes));
  }
}
