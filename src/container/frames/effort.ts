// Limits the decoding work of a foreign stream: a frame or block costs time even when it decodes to no bytes.
// Counts frames and blocks, and refuses a stream whose average decoded size per frame or block is too small.

import { RamferryError } from '../../errors.js';
import { FREE_ITEMS, MIN_BYTES_PER_ITEM } from './limits.js';

export class Effort {
  #items = 0;
  #decoded = 0;

  /**
   * Counts a frame or block at its start.
   * @param offset offset of the frame or block in the stream
   * @throws ERR_STREAM_LIMIT when the frames and blocks so far average less than MIN_BYTES_PER_ITEM
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
