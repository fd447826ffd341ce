// When an expected gain is worth a switch: it must be large enough, last long enough, and not come too often.
// Constant conditions allow two switches a minute after the first seconds; a link or a guest that has changed allows more,
// and for a while smaller gains, too: what is right under the new conditions is not known at the first look.
// Pure; time is given.

/** In the first so many milliseconds everything is new, and again after a change. */
const SETTLING_MS = 3_000;
/** Gains below these are noise. */
const EARLY_GAIN = 0.03;
const GAIN = 0.05;
/** So large that it need not be watched for long. */
const LARGE_GAIN = 0.25;
/** Milliseconds for which a gain must last. */
const FIRST_MS = 1_000;
const EARLY_MS = 20;
const LATER_MS = 150;
/** In the first moments after a change, as at the start: gains above this need not last for long. */
const FRESH_MS = 500;
const FRESH_GAIN = 0.1;
const LASTING_MS = 300;
const NEWS_MS = 90;
/** Under new conditions nobody waits to see whether it lasts when it is twice as fast. */
const LEAP_GAIN = 1;
/** Switches under constant conditions: so many at once, and one more in so many milliseconds. */
const STEADY = { most: 1, every: 40_000 } as const;
/** The same while link or guest change. */
const CHANGING = { most: 8, every: 2_000 } as const;

/** A bucket of permissions that fills with time. */
class Allowance {
  #left: number;
  #at: number | undefined;

  constructor(private readonly limits: { readonly most: number; readonly every: number }) {
    this.#left = limits.most;
  }

  has(now: number): boolean {
    const { most, every } = this.limits;
    this.#left = Math.min(most, this.#left + (now - (this.#at ?? now)) / every);
    this.#at = now;
    return this.#left >= 1;
  }

  take(): void {
    this.#left--;
  }
}

export class SwitchPolicy {
  readonly #start: number;
  readonly #steady = new Allowance(STEADY);
  readonly #changing = new Allowance(CHANGING);
  #since: number | undefined;
  #changed = -Infinity;

  constructor(start: number) {
    this.#start = start;
  }

  /**
   * @param gain expected, as a share of what there is
   * @param news link or guest are no longer what they were at the last switch
   * @returns whether to switch now
   */
  allows(gain: number, news: boolean, now: number): boolean {
    const early = now - this.#start < SETTLING_MS;
    if (gain < (early ? EARLY_GAIN : GAIN)) {
      this.#since = undefined;
      return false;
    }
    this.#since ??= now;
    const lasting = now - this.#since;
    if (early) {
      const first = now - this.#start < FIRST_MS;
      return first ? lasting >= EARLY_MS || gain >= LARGE_GAIN : lasting >= LATER_MS;
    }
    if (news && gain >= LARGE_GAIN) {
      const fresh = now - this.#changed < FRESH_MS;
      const lasts = fresh || lasting >= NEWS_MS || gain >= LEAP_GAIN;
      if (!lasts || !this.#take(this.#changing, now)) return false;
      this.#changed = now;
      return true;
    }
    if (now - this.#changed < SETTLING_MS) {
      const fresh = now - this.#changed < FRESH_MS && gain >= FRESH_GAIN;
      return lasting >= (fresh ? EARLY_MS : LATER_MS) && this.#take(this.#changing, now);
    }
    return lasting >= LASTING_MS && this.#take(this.#steady, now);
  }

  /** After a switch, or when something else made the old gains worthless. */
  reset(): void {
    this.#since = undefined;
  }

  #take(allowance: Allowance, now: number): boolean {
    if (!allowance.has(now)) return false;
    allowance.take();
    return true;
  }
}
