// Whether the page store pays: measured all the time, by what came of it in the chunks before. Where it does not, all but
// a sample of the pages is left alone, and the sample tells when it pays again.
// Decisions follow from bytes and their order alone. It knows no slots.

import type { StoreTally } from '../chunk/store-plan.js';

/**
 * Pages after which the gain of comparing with earlier contents is judged: of all, and of the sample. A few hundred in a
 * row say little: the pages of one program lie together, and what is left alone meanwhile grows old in the store.
 */
const COMPARED_PAGES = 4096;
const COMPARED_SAMPLE = 256;
/** It must save this part of what the pages would come to: less is lost again in processor time at both ends. */
const WORTH_COMPARING = 1 / 32;
/** Pages after which the search for equal pages is judged, and the part of them that it must find. */
const SEARCHED_PAGES = 8192;
const WORTH_SEARCHING = 1 / 128;
/** One of so many pages, and chunks, is the sample. */
const SAMPLE_BITS = 4;
const SAMPLE = 1 << SAMPLE_BITS;

export class SelfControl {
  /** Earlier contents are kept and compared for all pages, not only for the sample. */
  comparing = true;
  /** All chunks are searched for pages equal to others of the store. */
  searching = true;
  /** How often either was found not to pay. */
  turnedOff = 0;
  #compared = 0;
  #literalBytes = 0;
  #saved = 0;
  #searched = 0;
  #found = 0;

  /** Whether the store has to do with this page. */
  compares(identity: number): boolean {
    return this.comparing || Math.imul(identity % 2 ** 32, 0x9e3779b1) >>> (32 - SAMPLE_BITS) === 0;
  }

  searches(sequence: number): boolean {
    return this.searching || sequence % SAMPLE === 0;
  }

  /** @param searched pages of the chunk for which an equal one was looked for */
  judge(tally: StoreTally, searched: number): void {
    this.#compared += tally.compared;
    this.#literalBytes += tally.literalBytes;
    this.#saved += tally.saved;
    if (this.#compared >= (this.comparing ? COMPARED_PAGES : COMPARED_SAMPLE)) {
      const pays = this.#saved > this.#literalBytes * WORTH_COMPARING;
      if (this.comparing && !pays) this.turnedOff++;
      this.comparing = pays;
      this.#compared = this.#literalBytes = this.#saved = 0;
    }
    this.#searched += searched;
    this.#found += tally.twins;
    if (this.#searched >= SEARCHED_PAGES) {
      const pays = this.#found > this.#searched * WORTH_SEARCHING;
      if (this.searching && !pays) this.turnedOff++;
      this.searching = pays;
      this.#searched = this.#found = 0;
    }
  }
}
