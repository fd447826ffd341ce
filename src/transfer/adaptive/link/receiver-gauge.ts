// Whether a waiting sender waits for the link, by the receiver's report (Waiting). Where both sides have much to do, each waits
// for the other by turns; only a link keeps both waiting at once. Pure; fed with each report, asked once an interval.

import type { Waiting } from '../../../io/waiting-source.js';
import { type Policy, POLICY } from '../policy.js';

/** Milliseconds of the sender and microseconds of the receiver, and for how long of them each waited. */
interface Turn {
  readonly at: number;
  readonly here: number;
  readonly waitedHere: number;
  readonly there: number;
  readonly waitedThere: number;
}

export class ReceiverGauge {
  readonly #policy: Policy;
  #from: Waiting | undefined;
  #to: Waiting | undefined;
  #heardAt = -Infinity;
  #turns: Turn[] = [];
  #waited: number | undefined;

  constructor(policy: Policy = POLICY) {
    this.#policy = policy;
  }

  /** Share of the last interval in which the receiver had nothing to do; undefined where it does not report. */
  get waited(): number | undefined {
    return this.#waited;
  }

  recordReport(waiting: Waiting): void {
    this.#from ??= waiting;
    this.#to = waiting;
  }

  /**
   * Ends an interval.
   * @param share of the interval in which the sender waited
   * @param elapsed milliseconds of the interval
   * @returns whether the link can have kept the sender waiting; true where the receiver does not report: then nothing else is known
   */
  endInterval(share: number, elapsed: number, now: number): boolean {
    const { receiver, limits } = this.#policy;
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
    this.#turns = this.#turns.filter(({ at }) => now - at < receiver.lookBackMs);
    this.#turns.push({ at: now, here: elapsed, waitedHere: share * elapsed, there, waitedThere });
    if (now - this.#heardAt > limits.receiverSilentMs) return true;
    const sum = (what: Exclude<keyof Turn, 'at'>): number =>
      this.#turns.reduce((all, turn) => all + turn[what], 0);
    const heard = sum('there');
    if (heard === 0) return true;
    this.#waited = sum('waitedThere') / heard;
    return sum('waitedHere') / sum('here') + this.#waited > receiver.overlap;
  }
}
