// Seeded generators of the fuzzer and of the soak: the same seed gives the same draws on every host. Reports and the
// corpus quote seeds, so neither sequence may change.

/** The fuzzer's generator. Its bytes come from xorshift32 (Marsaglia 2003), one step each. */
export class Xorshift32 {
  #state: number;

  constructor(seed: number) {
    // xorshift never leaves state 0.
    this.#state = Math.imul(seed, 0x9e37_79b1) >>> 0 || 1;
  }

  /** 0 to 2^32 - 1 */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state;
  }

  /** 0 to limit - 1; 0 when the limit is 0 */
  below(limit: number): number {
    return limit === 0 ? 0 : this.next() % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at++) bytes[at] = this.next();
    return bytes;
  }
}

/** The soak's generator. Its 32 bits of state are enough for a few choices a trial. */
export class Mulberry32 {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number in [0, 1). */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
