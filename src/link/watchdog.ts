// Detects a link without progress. Without a limit, a pulled cable cannot be distinguished from a slow peer.
// Counts only between start() and stop(). Progress, and a pause of this process, restart the limit.

import { RamferryError } from '../errors.js';
import { withDeadline } from '../os/time/deadline.js';
import { AwakeTimer } from '../os/time/awake-timer.js';

export class Watchdog {
  #milliseconds: number;
  #timer: AwakeTimer | undefined;
  #watching = false;
  #seen = 0;
  readonly #progress: () => number;
  readonly #onStall: (milliseconds: number) => void;
  readonly #now: (() => number) | undefined;

  /**
   * @param milliseconds 0 waits for ever
   * @param progress any number that changes with progress
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

  /** Sets a new limit, which counts from now, also for a running watch. */
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
    // One timer serves all operations: a new timer for each would cost more than a small read.
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

/**
 * Waits for a beginning whose length is known: bytes that trickle are no progress.
 * @param milliseconds 0 waits for ever
 * @param what as of {@link stalledError}
 * @throws ERR_LINK_TIMEOUT, or the error of `whole`; the caller must close the link
 */
export function wholeWithin<T>(whole: Promise<T>, milliseconds: number, what: string): Promise<T> {
  if (milliseconds === 0) return whole;
  return withDeadline(whole, milliseconds, () => {
    throw stalledError(what, milliseconds);
  });
}

/** The failure of a link without progress. @param what `no byte came from tcp:host:1` */
export function stalledError(what: string, milliseconds: number): RamferryError {
  return new RamferryError('ERR_LINK_TIMEOUT', `${what} for ${milliseconds / 1000} s`, {
    hint: 'check the network and the other side, or allow more time with --io-timeout',
  });
}
