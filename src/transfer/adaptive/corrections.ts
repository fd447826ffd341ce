// What processors really did with each candidate, over what they should have done: less where they wait for a receiver
// that has much to do, or for each other. Pure; time is given.

/** Bounds of what is believed. */
const SLOWEST = 0.2;
const FASTEST = 1.5;
/** Share of a window's correction that is taken up. */
const SMOOTHING = 0.3;
/** How fast one that was measured for another candidate than the current one is forgotten. */
const FORGET_MS = 30_000;

interface Correction {
  readonly value: number;
  readonly at: number;
}

export class Corrections {
  readonly #of = new Map<number, Correction>();
  #latest: Correction | undefined;

  learn(candidate: number, seen: number, now: number): void {
    const value = Math.max(SLOWEST, Math.min(FASTEST, seen));
    const before = this.#of.get(candidate)?.value ?? value;
    this.#latest = { value: before + SMOOTHING * (value - before), at: now };
    this.#of.set(candidate, this.#latest);
  }

  /** @param current the candidate in use: what holds for it holds for those that were never used */
  of(candidate: number, current: number, now: number): number {
    const here = (this.#of.get(current) ?? this.#latest)?.value ?? 1;
    const own = this.#of.get(candidate);
    if (own === undefined) return here;
    return here + (own.value - here) * Math.exp(-(now - own.at) / FORGET_MS);
  }
}
