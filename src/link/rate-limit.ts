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

/** Bytes per second that one sink, or several together, may write. Pieces get their turns in the order in which they ask. */
export class RateBudget {
  #bytesPerMs: number;
  readonly #clock: Clock;
  /** The time at which the next piece may be written. */
  #due: number;

  /** @param bytesPerSecond more than 0 */
  constructor(bytesPerSecond: number, clock: Clock = REAL_CLOCK) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#clock = clock;
    this.#due = clock.now();
  }

  /** Changes the rate of the pieces that ask from now on. @param bytesPerSecond more than 0 */
  setRate(bytesPerSecond: number): void {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Most bytes of one piece. */
  get piece(): number {
    return Math.max(1, Math.floor(this.#bytesPerMs * PIECE_MS));
  }

  /** Resolves when a piece of so many bytes may be written. */
  async turn(bytes: number): Promise<void> {
    const due = Math.max(this.#due, this.#clock.now() - CREDIT_MS);
    this.#due = due + bytes / this.#bytesPerMs;
    // Node's timers may fire up to a millisecond early.
    for (let left = due - this.#clock.now(); left > 0; left = due - this.#clock.now()) {
      await this.#clock.sleep(Math.ceil(left));
    }
  }
}

/** A sink with a rate limit. Offers no positioned writes, because they would bypass the limit. */
export class RateLimitedSink extends ForwardingSink {
  readonly inert: boolean;
  readonly #budget: RateBudget;
  #written = 0;

  /** @param limit bytes per second, more than 0; or a budget that several sinks share */
  constructor(sink: ByteSink, limit: number | RateBudget, clock: Clock = REAL_CLOCK) {
    super(sink);
    this.inert = sink.inert === true;
    this.#budget = typeof limit === 'number' ? new RateBudget(limit, clock) : limit;
  }

  /** Bytes that the inner sink has accepted. */
  get written(): number {
    return this.#written;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { piece: most } = this.#budget;
    for (let done = 0; done < bytes.length;) {
      const piece = bytes.subarray(done, done + most);
      await this.#budget.turn(piece.length);
      await this.inner.write(piece);
      done += piece.length;
      this.#written += piece.length;
    }
  }
}
