// When an expected gain is worth a switch: it must be large enough, last long enough, and not come too often. Constant
// conditions allow two switches a minute after the first seconds. A link or a guest that has changed allows more, and for a
// while smaller gains, too: one evaluation does not show what is right under the new conditions. Pure; time is given.

import { type Policy, POLICY } from './policy.js';

/**
 * What counts as a gain, and for how long it must last:
 *
 *     [*] → starting
 *     starting → steady: settlingMs are over
 *     steady → following: a switch followed a change of link or guest
 *     following → following: another change was followed
 *     following → steady: settlingMs without a followed change
 */
export type SwitchPhase = 'starting' | 'steady' | 'following';

/** A bucket of permissions that fills with time. */
class Allowance {
  readonly #most: number;
  readonly #everyMs: number;
  #left: number;
  #at: number | undefined;

  constructor(most: number, everyMs: number) {
    this.#most = most;
    this.#everyMs = everyMs;
    this.#left = most;
  }

  /** Takes one permission if there is one. */
  take(now: number): boolean {
    this.#left = Math.min(this.#most, this.#left + (now - (this.#at ?? now)) / this.#everyMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

export class SwitchPolicy {
  readonly #policy: Policy['switching'];
  readonly #start: number;
  readonly #steady: Allowance;
  readonly #changes: Allowance;
  /** Since when every evaluation has seen a gain. */
  #since: number | undefined;
  /** When the last switch followed a change. */
  #followed = -Infinity;

  constructor(start: number, policy: Policy = POLICY) {
    this.#policy = policy.switching;
    this.#start = start;
    const { steadySwitches, steadyEveryMs, changeSwitches, changeEveryMs } = policy.switching;
    this.#steady = new Allowance(steadySwitches, steadyEveryMs);
    this.#changes = new Allowance(changeSwitches, changeEveryMs);
  }

  phase(now: number): SwitchPhase {
    const { settlingMs } = this.#policy;
    if (now - this.#start < settlingMs) return 'starting';
    return now - this.#followed < settlingMs ? 'following' : 'steady';
  }

  /**
   * @param gain expected, as a share of the present rate
   * @param changed link or guest are no longer what they were at the last switch
   * @returns whether to switch now
   */
  allows(gain: number, changed: boolean, now: number): boolean {
    const phase = this.phase(now);
    const policy = this.#policy;
    if (gain < (phase === 'starting' ? policy.startingGain : policy.gain)) {
      this.#since = undefined;
      return false;
    }
    this.#since ??= now;
    const lasting = now - this.#since;
    if (phase === 'starting') return this.#allowsAtStart(gain, lasting, now);
    const fresh = now - this.#followed < policy.freshMs;
    if (changed && gain >= policy.largeGain) {
      const lasts = fresh || lasting >= policy.changeMs || gain >= policy.immediateGain;
      if (!lasts || !this.#changes.take(now)) return false;
      this.#followed = now;
      return true;
    }
    if (phase === 'following') {
      const needed = fresh && gain >= policy.freshGain ? policy.soonMs : policy.laterMs;
      return lasting >= needed && this.#changes.take(now);
    }
    return lasting >= policy.steadyMs && this.#steady.take(now);
  }

  /** After a switch, when the gains that were seen are void. */
  reset(): void {
    this.#since = undefined;
  }

  #allowsAtStart(gain: number, lasting: number, now: number): boolean {
    const { firstMs, soonMs, laterMs, largeGain } = this.#policy;
    return now - this.#start < firstMs ? lasting >= soonMs || gain >= largeGain : lasting >= laterMs;
  }
}
