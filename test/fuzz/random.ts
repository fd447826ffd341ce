// Random numbers that are the same for ever: xorshift32.

export class Random {
  #state: number;

  constructor(seed: number) {
    // 0 is the one state that xorshift never leaves.
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
