// Turns the page store off while it does not pay. It weighs gain against cost, both in bytes that a codec need not see
// (chunk/store-plan.ts), on a sample of the pages. The sample is always kept and compared, so that the measure is the same while
// the store is off. While it is off, other pages are neither compared nor kept, and the sample is smaller.
// Decisions follow from bytes and their order alone. It knows no slots and no time.

import type { StoreTally } from '../chunk/store-plan.js';

/** Hysteresis: to be turned on again, the store must gain so many times its cost. */
const HYSTERESIS = 1.25;

/** The sample is one of 2^bits pages: at first, and after the store was judged while it was off. */
const SAMPLE_BITS = 4;
const SPARSE_BITS = 6;
/**
 * A judgement follows after so many compared pages of the sample. They stand for 2048 pages and more: a few hundred neighbours
 * prove little, because they belong to one program.
 */
const JUDGED_PAGES = 128;
/**
 * A page that the store does not hold is not charged: a page kept now may pay in the next round. But where so many pages of the
 * sample (they stand for 128 MiB) are missing before JUDGED_PAGES were found, the store is too small for what the guest writes.
 */
const MISSED_PAGES = 2048;

/**
 * The search for equal pages is judged after so many pages, and must find this share of them: a fingerprint and its look-up cost
 * about 100, a page that need not travel is worth about 12,000.
 */
const SEARCHED_PAGES = 8192;
const MIN_FOUND_SHARE = 1 / 128;
/** While the search is off, one of so many chunks is searched. */
const SEARCHED_CHUNKS = 16;

export class StoreGovernor {
  /** Earlier contents of all pages are kept and compared, not only of the sample. */
  comparing = true;
  /** All chunks are searched for pages equal to others of the store. */
  searching = true;
  /** How often either was turned off. */
  turnedOff = 0;
  #shift = 32 - SAMPLE_BITS;
  #sampled = 0;
  #missed = 0;
  #gain = 0;
  #cost = 0;
  #searched = 0;
  #found = 0;

  /** Whether the page belongs to the sample. */
  samples(identity: number): boolean {
    return Math.imul(identity | 0, 0x9e3779b1) >>> this.#shift === 0;
  }

  searches(sequence: number): boolean {
    return this.searching || sequence % SEARCHED_CHUNKS === 0;
  }

  /** Notes a page of the sample that was sent again and is not in the store. */
  miss(): void {
    this.#missed++;
  }

  /** @param searched pages of the chunk for which an equal page was searched */
  judge(tally: StoreTally, searched: number): void {
    this.#sampled += tally.sampled;
    this.#gain += tally.gain;
    this.#cost += tally.cost;
    if (this.#sampled >= JUDGED_PAGES || this.#missed >= MISSED_PAGES) this.#decide(this.#gain, this.#cost);
    this.#searched += searched;
    this.#found += tally.equalPages;
    if (this.#searched >= SEARCHED_PAGES) {
      const pays = this.#found > this.#searched * MIN_FOUND_SHARE;
      if (this.searching && !pays) this.turnedOff++;
      this.searching = pays;
      this.#searched = this.#found = 0;
    }
  }

  #decide(gain: number, cost: number): void {
    const { comparing } = this;
    this.comparing = gain > (comparing ? cost : cost * HYSTERESIS);
    if (comparing && !this.comparing) this.turnedOff++;
    // While all pages are kept, the larger sample is up to date.
    if (comparing) this.#shift = 32 - SAMPLE_BITS;
    else if (!this.comparing) this.#shift = 32 - SPARSE_BITS;
    this.#sampled = this.#missed = this.#gain = this.#cost = 0;
  }
}
