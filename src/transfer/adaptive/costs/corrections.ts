// Speed that the processors really had with each candidate, over the expected speed. It is below 1 where they wait for a busy
// receiver, or for each other. Pure; time is given.

import { type Policy, POLICY } from '../policy.js';

interface Correction {
  readonly value: number;
  readonly at: number;
}

export class Corrections {
  readonly #policy: Policy;
  readonly #of = new Map<number, Correction>();
  #latest: Correction | undefined;

  constructor(policy: Policy = POLICY) {
    this.#policy = policy;
  }

  learn(candidate: number, seen: number, now: number): void {
    const { corrections, limits } = this.#policy;
    const value = Math.max(limits.slowestCorrection, Math.min(limits.fastestCorrection, seen));
    const before = (this.#of.get(candidate) ?? this.#latest)?.value ?? 1;
    this.#latest = { value: before + corrections.smoothing * (value - before), at: now };
    this.#of.set(candidate, this.#latest);
  }

  /** @param current the candidate in use: its correction also holds for candidates that were never used */
  of(candidate: number, current: number, now: number): number {
    const here = (this.#of.get(current) ?? this.#latest)?.value ?? 1;
    const own = this.#of.get(candidate);
    if (own === undefined) return here;
    return here + (own.value - here) * Math.exp(-(now - own.at) / this.#policy.corrections.forgetMs);
  }
}
