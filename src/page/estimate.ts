// Estimates from a sample how many bytes a codec makes of a page: a pure function of 4096 bytes.
// A word that is zero, or equal to the word one, two or four before it, costs a codec next to nothing; any other word about two
// bytes. (Of the changed pages of a database guest 504 of 1024 words are such others, and take 750 bytes at zstd 1.)

import { PAGE_WORDS } from './xbzrle.js';

/** Words of a sampled block, and words from the start of a block to the start of the next. */
const BLOCK_WORDS = 32;
const STEP_WORDS = 128;

/** Bytes that a codec makes of a word that does not repeat. */
const BYTES_PER_WORD = 2;

/** @param words that hold the page from `first` on: 1024 of them. @returns bytes, 0 to 2048 */
export function estimateLiteral(words: Int32Array, first: number): number {
  let fresh = 0;
  // Skips the first words of a page: headers differ from the rest.
  for (let start = first + STEP_WORDS - BLOCK_WORDS; start < first + PAGE_WORDS; start += STEP_WORDS) {
    for (let at = start; at < start + BLOCK_WORDS; at++) {
      const word = words[at]!;
      if (word !== 0 && word !== words[at - 1] && word !== words[at - 2] && word !== words[at - 4]) fresh++;
    }
  }
  return fresh * (STEP_WORDS / BLOCK_WORDS) * BYTES_PER_WORD;
}
