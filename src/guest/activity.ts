// When the simulated guest writes: by the clock, as a running guest does, or a counted number of pages a round. The
// count gives the same stream on every run. The sender calls advance() after every batch of pages, since guest and
// hypervisor share one thread. Knows nothing of streams.

import type { Clock } from './clock.js';
import type { Workload } from './workload.js';

export interface Activity {
  /** Starts the guest. */
  start(): void;
  /** Performs the writes that are due since the last call. @param share part of the round's pages sent so far, 0 to 1 */
  advance(share: number): void;
  /** A new round begins. */
  nextRound(): void;
}

/** A guest that writes nothing. */
export const idle: Activity = { start() {}, advance() {}, nextRound() {} };

/** Writes `pagesPerRound` pages in every round, spread evenly over it. */
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

/** Writes `pagesPerSecond` pages a second. */
export class TimedActivity implements Activity {
  /** When the last burst was due, and when it was done. */
  #dueAt = 0;
  #doneAt = 0;
  /** The fraction of a page that is due. */
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
    // Writing takes time of this thread. With a rate beyond its reach, bursts would grow without end. A burst is
    // therefore at most twice what the time between two bursts calls for, and writes no page twice. Writes beyond
    // that limit are dropped.
    const burstLimit = Math.max(1, 2 * (now - this.#doneAt) * rate);
    const pages = Math.floor(Math.min(due, burstLimit, this.workload.options.pages));
    this.workload.write(pages);
    this.#rest = due - Math.floor(due);
    this.#dueAt = now;
    this.#doneAt = this.clock.now();
  }

  nextRound(): void {
    // The clock runs on between rounds.
  }
}
