// Whether a waiting sender waits for the link, by the receiver's own word (Waiting). Where both sides have much to do, each
// waits for the other by turns; only a link keeps both waiting at once. Pure; fed with each word, asked once a window.

import type { Waiting } from '../../io/waiting-source.js';

/** What was said this long ago says nothing of now; milliseconds. */
const STALE_MS = 500;
/** Words are under way while a window ends: turns of two threads are told apart over so many milliseconds, not fewer. */
const LOOK_BACK_MS = 100;
/** Shares of the time in which the two sides waited that add up to more than this overlapped: 1 by arithmetic, and some doubt. */
const OVERLAP = 1.1;

/** Milliseconds of the sender and microseconds of the receiver, and for how long of them each waited. */
interface Turn {
  readonly at: number;
  readonly here: number;
  readonly waitedHere: number;
  readonly there: number;
  readonly waitedThere: number;
}

export class ReceiverGauge {
  #from: Waiting | undefined;
  #to: Waiting | undefined;
  #heardAt = -Infinity;
  #turns: Turn[] = [];
  #waited: number | undefined;

  /** Share of the time of the last look for which the receiver had nothing to do; undefined where it does not say. */
  get waited(): number | undefined {
    return this.#waited;
  }

  heard(waiting: Waiting): void {
    this.#from ??= waiting;
    this.#to = waiting;
  }

  /**
   * Ends a window of so many milliseconds, of which the sender waited for this share.
   * @returns whether it can have been the link that kept it waiting; true where the receiver does not say: then nobody
   *   else is known
   */
  look(share: number, elapsed: number, now: number): boolean {
    this.#waited = undefined;
    const from = this.#from;
    const to = this.#to;
    let there = 0;
    let waitedThere = 0;
    if (from !== undefined && to !== undefined && to.clock > from.clock) {
      there = to.clock - from.clock;
      waitedThere = to.waited - from.waited;
      this.#from = to;
      this.#heardAt = now;
    }
    this.#turns = this.#turns.filter(({ at }) => now - at < LOOK_BACK_MS);
    this.#turns.push({ at: now, here: elapsed, waitedHere: share * elapsed, there, waitedThere });
    if (now - this.#heardAt > STALE_MS) return true;
    const sum = (what: Exclude<keyof Turn, 'at'>): number =>
      this.#turns.reduce((all, turn) => all + turn[what], 0);
    const heard = sum('there');
    if (heard === 0) return true;
    this.#waited = sum('waitedThere') / heard;
    return sum('waitedHere') / sum('here') + this.#waited > OVERLAP;
  }
}
