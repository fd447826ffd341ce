// Tells from a sample of their words whether a page was written all over since it was sent before. The encoder then skips the
// search for a difference, which would be longer than the page.

import { PAGE_WORDS } from './xbzrle.js';

/**
 * Words of the sample, and words from one to the next. The step is odd, so that the sample reaches all places of a cache line. The
 * sample is small because each word is a cache miss at both pages: 64 words cost more than all the rest (700 ns).
 */
const SAMPLE_WORDS = 16;
const STEP_WORDS = 253;

/**
 * Most words of the sample that may differ. So many stand for a delta of 2560 bytes, which exceeds the most that
 * estimateLiteral() returns (2048): such a delta is never used.
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
