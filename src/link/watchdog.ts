// Notices that nothing moves: a pulled cable looks like a peer that thinks for a long time.
// Runs only between start() and stop(); progress in between starts the time anew.

export class Watchdog {
  #milliseconds: number;
  #timer: NodeJS.Timeout | undefined;
  #watching = false;
  #seen = 0;
  readonly #progress: () => number;
  readonly #onStall: (milliseconds: number) => void;

  /**
   * @param milliseconds 0 waits for ever.
   * @param progress any number that changes when something moves.
   */
  constructor(milliseconds: number, progress: () => number, onStall: (milliseconds: number) => void) {
    this.#milliseconds = milliseconds;
    this.#progress = progress;
    this.#onStall = onStall;
  }

  /** Counts from now, also for what is being watched. */
  setPatience(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#milliseconds = milliseconds;
    if (this.#watching) this.start();
  }

  start(): void {
    this.#watching = true;
    if (this.#milliseconds === 0) return;
    this.#seen = this.#progress();
    // One timer for all operations: setting a new one for each would cost more than a small read.
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#fire(), this.#milliseconds);
      this.#timer.unref();
    } else this.#timer.refresh();
  }

  stop(): void {
    this.#watching = false;
  }

  close(): void {
    this.stop();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#milliseconds = 0;
  }

  #fire(): void {
    if (!this.#watching) return;
    if (this.#progress() === this.#seen) this.#onStall(this.#milliseconds);
    else this.start();
  }
}
