// Limits a sink to a number of bytes per second. A long write is split into pieces of 20 ms.
// Each piece has a scheduled time, so the delays of late timers do not accumulate.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ByteSink } from '../io/bytes.js';
import { ForwardingSink } from '../io/forwarding-sink.js';

const PIECE_MS = 20;
/** Longest delay that a burst may make up for. Together with one piece it bounds a burst to 100 ms. */
const CREDIT_MS = 80;

export interface Clock {
  /** Monotonic time in milliseconds. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds) => sleep(milliseconds),
};

/** A sink with a rate limit. Offers no positioned writes, because they would bypass the limit. */
export class RateLimitedSink extends ForwardingSink {
  readonly inert: boolean;
  readonly #bytesPerMs: number;
  readonly #piece: number;
  readonly #clock: Clock;
  /** The time at which the next piece may be written. */
  #due: number;
  #written = 0;

  /** @param bytesPerSecond more than 0 */
  constructor(sink: ByteSink, bytesPerSecond: number, clock: Clock = REAL_CLOCK) {
    super(sink);
    this.inert = sink.inert === true;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#piece = Math.max(1, Math.floor(this.#bytesPerMs * PIECE_MS));
    this.#clock = clock;
    this.#due = clock.now();
  }

  /** Bytes that the inner sink has accepted. */
  get written(): number {
    return this.#written;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const piece = bytes.subarray(done, done + this.#piece);
      await this.#wait();
      this.#due += piece.length / this.#bytesPerMs;
      await this.inner.write(piece);
      done += piece.length;
      this.#written += piece.length;
    }
  }

  async #wait(): Promise<void> {
    const now = this.#clock.now();
    this.#due = Math.max(this.#due, now - CREDIT_MS);
    // Node's timers may fire up to a millisecond early.
    for (let left = this.#due - now; left > 0; left = this.#due - this.#clock.now()) {
      await this.#clock.sleep(Math.ceil(left));
    }
  }
}
