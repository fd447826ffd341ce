// How many bytes a page may come to when a codec has it, guessed from a sample: a pure function of 4096 bytes.
// Words that are zero or that stand one, two or four words earlier cost a codec next to nothing; each other word about
// two bytes. (Of the changed pages of a database guest 504 words of 1024 are such, and come to 750 bytes at zstd 1.)

import { PAGE_WORDS } from './xbzrle.js';

/** Words of a block that is looked at, and from the beginning of one to the beginning of the next. */
const BLOCK_WORDS = 32;
const STEP_WORDS = 128;

/** Bytes that a word which does not repeat may come to. */
const BYTES_PER_WORD = 2;

/** @param words that hold the page from `first` on: 1024 of them. @returns bytes, 0 to 2048 */
export function estimateLiteral(words: Int32Array, first: number): number {
  let fresh = 0;
  // Not the first words of a page: headers look unlike the rest.
  for (let start = first + STEP_WORDS - BLOCK_WORDS; start < first + PAGE_WORDS; start += STEP_WORDS) {
    for (let at = start; at < start + BLOCK_WORDS; at++) {
      const word = words[at]!;
      if (word !== 0 && word !== words[at - 1] && word !== words[at - 2] && word !== words[at - 4]) fresh++;
    }
  }
  return fresh * (STEP_WORDS / BLOCK_WORDS) * BYTES_PER_WORD;
}
