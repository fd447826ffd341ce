// Whether a page was written all over since it was sent before: a question about two pages, answered from a sample of
// their words, so that nobody looks for a difference that would be longer than the page.

import { PAGE_WORDS } from './xbzrle.js';

/**
 * Words that are looked at, and from one to the next: odd, so that they lie at all places of a cache line. Few: each is a
 * miss in the cache, at both pages, and 64 of them cost more than all the rest (700 ns).
 */
const SAMPLE_WORDS = 16;
const STEP_WORDS = 253;

/**
 * Words of the sample that may differ. So many stand for 2560 bytes of delta, more than estimateLiteral() ever says
 * (2048): then a delta cannot pay.
 */
const MAX_DIFFERENT_WORDS = 10;

/**
 * @param old the page as it was, 1024 words from `first` on
 * @param view over the memory that holds it as it is, from `at` on
 */
export function looksRewritten(old: Int32Array, first: number, view: DataView, at: number): boolean {
  let differ = 0;
  for (let look = 0, word = 0; look < SAMPLE_WORDS; look++, word = (word + STEP_WORDS) % PAGE_WORDS) {
    if (old[first + word] !== view.getInt32(at + word * 4, true)) differ++;
  }
  return differ > MAX_DIFFERENT_WORDS;
}
