// When the guest writes: by the clock, as a running guest does, or a counted number of pages a round, for streams that
// must come out the same on every run. Asked after every batch of pages that the hypervisor sent, since all happens on
// one thread. Knows nothing of streams.

import type { Clock } from './clock.js';
import type { Workload } from './workload.js';

export interface Activity {
  /** The guest runs from now on. */
  start(): void;
  /** Makes up for what the guest wrote meanwhile. @param share part of the round's pages sent so far, 0 to 1 */
  advance(share: number): void;
  /** A new round begins. */
  nextRound(): void;
}

/** A guest that writes nothing. */
export const idle: Activity = { start() {}, advance() {}, nextRound() {} };

/** So many pages in every round, spread evenly over it. */
export class CountedActivity implements Activity {
  #written = 0;

  constructor(
    private readonly workload: Workload,
    private readonly pagesPerRound: number,
  ) {}

  start(): void {
    this.#written = 0;
  }

  advance(share: number): void {
    const due = Math.floor(this.pagesPerRound * share) - this.#written;
    if (due <= 0) return;
    this.workload.write(due);
    this.#written += due;
  }

  nextRound(): void {
    this.#written = 0;
  }
}

/** So many pages a second. */
export class TimedActivity implements Activity {
  /** When the last burst was due, and when it was done. */
  #dueAt = 0;
  #doneAt = 0;
  /** The part of a page that is due but not yet a whole one. */
  #rest = 0;

  constructor(
    private readonly workload: Workload,
    private readonly pagesPerSecond: number,
    private readonly clock: Clock,
  ) {}

  start(): void {
    this.#dueAt = this.clock.now();
    this.#doneAt = this.#dueAt;
    this.#rest = 0;
  }

  advance(): void {
    const now = this.clock.now();
    const rate = this.pagesPerSecond / 1000;
    const due = this.#rest + (now - this.#dueAt) * rate;
    if (due < 1) return;
    // Writing takes this thread's time too. A rate that it cannot reach must not grow into ever longer bursts: at most
    // twice what the time between two bursts asks for, and no page twice in one burst. What is cut off is forgotten.
    const fair = Math.max(1, 2 * (now - this.#doneAt) * rate);
    const pages = Math.floor(Math.min(due, fair, this.workload.options.pages));
    this.workload.write(pages);
    this.#rest = due - Math.floor(due);
    this.#dueAt = now;
    this.#doneAt = this.clock.now();
  }

  nextRound(): void {
    // Time does not stop between rounds.
  }
}
