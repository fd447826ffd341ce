// Slows a sink down to so many bytes per second, smoothly: a long write goes out in pieces of 20 ms.
// A schedule, not a count of sleeps: each piece has its time after the one before, so late timers do not add up.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ByteSink } from '../io/bytes.js';
import { ForwardingSink } from '../io/forwarding-sink.js';

const PIECE_MS = 20;
/** How much of a delay may be made up for; with one piece this is the longest burst, 100 ms. */
const CREDIT_MS = 80;

export interface Clock {
  /** Milliseconds from any beginning, never backwards. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds) => sleep(milliseconds),
};

/** Offers no positioned writes even if the sink below does: those would go round the limit. */
export class RateLimitedSink extends ForwardingSink {
  readonly inert: boolean;
  readonly #bytesPerMs: number;
  readonly #piece: number;
  readonly #clock: Clock;
  /** When the next piece may go. */
  #due: number;
  #written = 0;

  /** @param bytesPerSecond more than 0. */
  constructor(sink: ByteSink, bytesPerSecond: number, clock: Clock = REAL_CLOCK) {
    super(sink);
    this.inert = sink.inert === true;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#piece = Math.max(1, Math.floor(this.#bytesPerMs * PIECE_MS));
    this.#clock = clock;
    this.#due = clock.now();
  }

  /** Bytes that the sink below has taken. */
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
    // Timers end up to a millisecond early.
    for (let left = this.#due - now; left > 0; left = this.#due - this.#clock.now()) {
      await this.#clock.sleep(Math.ceil(left));
    }
  }
}
