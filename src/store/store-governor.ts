// Whether the page store pays: measured all the time, on a sample of the pages that is kept and compared whatever the
// state, so that the measure is the same while the store is off. What is gained is weighed against what it costs, both
// in bytes that a codec need not see (chunk/store-plan.ts). Where it does not pay, all but the sample is
// neither compared nor kept, and the sample becomes smaller; it tells when the store pays again.
// Decisions follow from bytes and their order alone. It knows no slots and no time.

import type { StoreTally } from '../chunk/store-plan.js';

/** What is off must pay so much more than that to be turned on: at the edge it would go back and forth. */
const HYSTERESIS = 1.25;

/** One of so many pages is the sample, as bits: at first, and while the store is off and has been found off again. */
const SAMPLE_BITS = 4;
const SPARSE_BITS = 6;
/**
 * Pages of the sample that were compared after which is judged: they stand for 2048 pages and more. A few hundred
 * neighbours say little, they belong to one program.
 */
const JUDGED_PAGES = 128;
/**
 * What is kept now may pay when the next round comes, so pages that are not there are not charged. But where so many of
 * the sample (they stand for 128 MiB) were not there before so few were, the store is too small for what the guest writes.
 */
const MISSED_PAGES = 2048;

/**
 * Pages after which the search for equal pages is judged, and the part of them that it must find: a fingerprint and its
 * look-up cost about 100, a page that need not travel is worth about 12,000.
 */
const SEARCHED_PAGES = 8192;
const MIN_FOUND_SHARE = 1 / 128;
/** While it is off, one of so many chunks is searched. */
const SEARCHED_CHUNKS = 16;

export class StoreGovernor {
  /** Earlier contents are kept and compared for all pages, not only for the sample. */
  comparing = true;
  /** All chunks are searched for pages equal to others of the store. */
  searching = true;
  /** How often either was found not to pay. */
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

  /** A page of the sample was sent again and is not in the store. */
  miss(): void {
    this.#missed++;
  }

  /** @param searched pages of the chunk for which an equal one was looked for */
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
    // While all pages are kept, the larger sample is up to date too.
    if (comparing) this.#shift = 32 - SAMPLE_BITS;
    else if (!this.comparing) this.#shift = 32 - SPARSE_BITS;
    this.#sampled = this.#missed = this.#gain = this.#cost = 0;
  }
}
