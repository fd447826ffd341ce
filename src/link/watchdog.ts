// Notices that nothing moves: a pulled cable looks like a peer that thinks for a long time.
// Runs only between start() and stop(); progress in between, and a pause of this process, start the time anew.

import { AwakeTimer } from '../os/awake-timer.js';

export class Watchdog {
  #milliseconds: number;
  #timer: AwakeTimer | undefined;
  #watching = false;
  #seen = 0;
  readonly #progress: () => number;
  readonly #onStall: (milliseconds: number) => void;
  readonly #now: (() => number) | undefined;

  /**
   * @param milliseconds 0 waits for ever.
   * @param progress any number that changes when something moves.
   * @param now for tests: milliseconds on a clock
   */
  constructor(
    milliseconds: number,
    progress: () => number,
    onStall: (milliseconds: number) => void,
    now?: () => number,
  ) {
    this.#now = now;
    this.#milliseconds = milliseconds;
    this.#progress = progress;
    this.#onStall = onStall;
  }

  /** Counts from now, also for what is being watched. */
  setPatience(milliseconds: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#milliseconds = milliseconds;
    if (this.#watching) this.start();
  }

  start(): void {
    this.#watching = true;
    if (this.#milliseconds === 0) return;
    this.#seen = this.#progress();
    // One timer for all operations: setting a new one for each would cost more than a small read.
    const clock = this.#now === undefined ? {} : { now: this.#now };
    this.#timer ??= new AwakeTimer(this.#milliseconds, () => this.#fire(), { unref: true, ...clock });
    this.#timer.restart();
  }

  stop(): void {
    this.#watching = false;
  }

  close(): void {
    this.stop();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#milliseconds = 0;
  }

  #fire(): void {
    if (!this.#watching) return;
    if (this.#progress() === this.#seen) this.#onStall(this.#milliseconds);
    else this.start();
  }
}
