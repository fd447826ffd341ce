// The work that a foreign stream may ask for: each frame and each block costs a decoder time even when it decodes to
// nothing. Counts them, and refuses a stream whose frames and blocks hold next to nothing on average.

import { RamferryError } from '../../errors.js';
import { FREE_ITEMS, MIN_BYTES_PER_ITEM } from './limits.js';

export class Effort {
  #items = 0;
  #decoded = 0;

  /**
   * A frame or a block begins.
   * @param offset where it stands in the stream
   * @throws ERR_STREAM_LIMIT when the items so far hold less than MIN_BYTES_PER_ITEM each
   */
  item(offset: number): void {
    this.#items += 1;
    if (this.#items <= FREE_ITEMS + this.#decoded / MIN_BYTES_PER_ITEM) return;
    throw new RamferryError(
      'ERR_STREAM_LIMIT',
      `${this.#items} frames and blocks hold only ${this.#decoded} bytes: decoding them costs time out of proportion`,
      { offset, hint: 'decode it with the program that wrote it, and send the result' },
    );
  }

  decoded(bytes: number): void {
    this.#decoded += bytes;
  }
}
