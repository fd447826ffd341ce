// A small seeded generator of pseudo-random numbers: same seed, same numbers, on every machine and Node version.
// Takes 32-bit seeds; not for cryptography; knows nothing of pages.

/** Mixes two 32-bit numbers into one, so that every page and extent has a seed of its own. */
export function mixSeed(a: number, b: number): number {
  let h = (a ^ Math.imul(b, 0x9e3779b1)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** xorshift32 (Marsaglia 2003). It needs three shifts a number, so image generation is faster than a disk. */
export class Random {
  #state = 1;

  constructor(seed: number) {
    this.reseed(seed);
  }

  reseed(seed: number): void {
    const mixed = mixSeed(seed, 0x243f6a88);
    this.#state = mixed === 0 ? 0x1f123bb5 : mixed;
  }

  /** A whole number from 0 to 2^32 - 1 (as unsigned). */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** A whole number from 0 to limit - 1, for limits up to 2^32. */
  below(limit: number): number {
    return Math.floor((this.next() / 0x100000000) * limit);
  }

  /** Fills an array with the numbers of {@link below}, several times as fast as single calls. */
  fillBelow(words: Uint32Array, limit: number): void {
    const scale = limit / 0x100000000;
    let x = this.#state;
    for (let i = 0; i < words.length; i++) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      words[i] = (x >>> 0) * scale; // the array keeps the integer part
    }
    this.#state = x;
  }

  /** True with probability 1 / n. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
}
