// Finds pages of the store that may be equal to a page, by fingerprint: the worker compares the pages afterwards.
// It drops entries where too many fingerprints collide, and its entry for a slot may be out of date.

/** Stands for: no fingerprint. A page that has it is not found. */
const NONE = 0;
/** A fingerprint may be in so many neighbouring buckets. */
const PROBES = 4;

export class EqualPages {
  /** Bucket → slot + 1. */
  readonly #buckets: Int32Array;
  readonly #mask: number;
  /** Slot → fingerprint. */
  readonly #prints: Int32Array;

  constructor(slots: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(slots, 1) * 2));
    this.#buckets = new Int32Array(size);
    this.#mask = size - 1;
    this.#prints = new Int32Array(slots);
  }

  /** A slot whose page had this fingerprint; -1 = none. */
  find(print: number): number {
    const start = print ^ (print >>> 16);
    for (let probe = 0; probe < PROBES; probe++) {
      const slot = this.#buckets[(start + probe) & this.#mask]! - 1;
      if (slot < 0) return -1;
      if (this.#prints[slot] === print && print !== NONE) return slot;
    }
    return -1;
  }

  enter(print: number, slot: number): void {
    this.#prints[slot] = print;
    const start = print ^ (print >>> 16);
    let bucket = start & this.#mask;
    for (let probe = 0; probe < PROBES; probe++) {
      const at = (start + probe) & this.#mask;
      const other = this.#buckets[at]! - 1;
      if (other >= 0 && this.#prints[other] !== NONE) continue;
      bucket = at;
      break;
    }
    this.#buckets[bucket] = slot + 1;
  }

  forget(slot: number): void {
    this.#prints[slot] = NONE;
  }
}
