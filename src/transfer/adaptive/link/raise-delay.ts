// `RaiseDelay`: for how long a measured link must not limit before it is probed, or its rate raised. Grows while that finds the same rate
// again: just below its rate a link does not limit either. Pure.

import { type Policy, POLICY } from '../policy.js';
import type { MeasuredLink } from './link-state.js';

export class RaiseDelay {
  readonly #policy: Policy['link'];
  readonly #mostMs: number;
  #ms: number;

  constructor(policy: Policy = POLICY) {
    this.#policy = policy.link;
    this.#mostMs = policy.limits.raiseDelayMostMs;
    this.#ms = policy.link.raiseAfterMs;
  }

  /** Milliseconds, where as much passes as was measured. @param wire bytes per second that pass */
  loaded({ rate, jumped }: Pick<MeasuredLink, 'rate' | 'jumped'>, wire: number): number {
    const { changeShare, raiseAfterMs, raiseSoonMs } = this.#policy;
    // Part of the measurement was still the slow link: it carries more, and how much is unknown.
    if (jumped && this.#ms === raiseAfterMs) return 0;
    return wire > (1 + changeShare) * rate ? raiseSoonMs : this.#ms;
  }

  /** Milliseconds, where less passes. */
  get unloaded(): number {
    return Math.max(this.#policy.unloadedMs, this.#ms);
  }

  /**
   * A link limits after a raise.
   * @param raisedFrom the rate before the raise; 0 = the link was never measured
   * @param seen the rate now, bytes per second
   */
  judgeRaise(raisedFrom: number, seen: number): void {
    this.#judge(raisedFrom, seen, this.#mostMs);
  }

  /** A probe of a measured link was limited: at this rate. */
  judgeProbe(rate: number, seen: number): void {
    this.#judge(rate, seen, this.#policy.probeMostMs);
  }

  #judge(before: number, seen: number, mostMs: number): void {
    const { changeShare, raiseBackoff, raiseAfterMs } = this.#policy;
    const same = Math.abs(seen / before - 1) < changeShare;
    this.#ms = same ? Math.min(mostMs, this.#ms * raiseBackoff) : raiseAfterMs;
  }
}
