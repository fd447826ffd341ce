// Finds pages that occurred earlier in the same chunk.
// Takes pages in order and promises an exact earlier copy or none; a missed copy only costs bytes. The result depends on the
// bytes alone. begin() clears all pages.

import type { Buffer } from 'node:buffer';

import { fingerprint } from './fingerprint.js';
import { PAGE_BYTES } from './size.js';

const EMPTY = -1;

export class DuplicateFinder {
  /** Hash bucket → the last page that fell into it. Direct-mapped: a collision replaces, it never chains. */
  readonly #buckets: Int32Array;
  readonly #mask: number;
  readonly #hashes: Int32Array;
  readonly #offsets: Int32Array;

  /** @param maxPages most pages that one chunk can hold */
  constructor(maxPages: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(maxPages, 1) * 4));
    this.#buckets = new Int32Array(size);
    this.#mask = size - 1;
    this.#hashes = new Int32Array(maxPages);
    this.#offsets = new Int32Array(maxPages);
  }

  begin(): void {
    this.#buckets.fill(EMPTY);
  }

  /**
   * @param index of the page in its chunk (each index at most once)
   * @param offset of the page in `bytes`; `view` covers the same memory
   * @returns the index of an earlier page with the same contents, or -1
   */
  find(bytes: Buffer, view: DataView, index: number, offset: number): number {
    const hash = fingerprint(view, offset);
    const bucket = (hash ^ (hash >>> 16)) & this.#mask;
    const earlier = this.#buckets[bucket]!;
    if (earlier !== EMPTY && this.#hashes[earlier] === hash) {
      const at = this.#offsets[earlier]!;
      if (bytes.compare(bytes, at, at + PAGE_BYTES, offset, offset + PAGE_BYTES) === 0) return earlier;
    }
    this.#buckets[bucket] = index;
    this.#hashes[index] = hash;
    this.#offsets[index] = offset;
    return EMPTY;
  }
}
