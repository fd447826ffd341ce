// The content of a chunk while it is planned: the parts of the input, and other bytes, that go to the codec, in order.
// A single stretch of input stays where it was read. Several stretches, and bytes that are not input, are gathered in a scratch
// buffer. It knows nothing of pages, and of operations only that they stand in front.

import { Buffer } from 'node:buffer';

import { copyBytes } from '../page/copy.js';

export class Content {
  readonly #headroom: number;
  readonly #scratch: Buffer;
  #input!: Buffer;
  /** Start of the stretch of input that is content so far; -1 when there is none. */
  #stretch = -1;
  #gathered = 0;

  /**
   * @param headroom bytes for operations in front of the content
   * @param most the most bytes of content
   */
  constructor(headroom: number, most: number) {
    this.#headroom = headroom;
    this.#scratch = Buffer.allocUnsafeSlow(headroom + most);
  }

  /** @param input the memory that positions refer to; nothing of it is content yet */
  begin(input: Buffer): void {
    this.#input = input;
    this.#stretch = -1;
    this.#gathered = 0;
  }

  /** Input from `at` on is content. */
  keep(at: number): void {
    if (this.#stretch < 0) this.#stretch = at;
  }

  /** Input from `at` on is not content: the stretch before it is gathered. */
  drop(at: number): void {
    if (this.#stretch < 0) return;
    copyBytes(this.#scratch, this.#headroom + this.#gathered, this.#input, this.#stretch, at);
    this.#gathered += at - this.#stretch;
    this.#stretch = -1;
  }

  /** Adds bytes that are not input. Call drop() before. */
  gather(bytes: Buffer, length: number): void {
    copyBytes(this.#scratch, this.#headroom + this.#gathered, bytes, 0, length);
    this.#gathered += length;
  }

  /** Bytes of content, where the input ends at `end`. */
  length(end: number): number {
    return this.#gathered + (this.#stretch < 0 ? 0 : end - this.#stretch);
  }

  /** Puts the operations right in front of the content. @returns both, in one piece of memory */
  behind(operations: Uint8Array, end: number): Buffer {
    // All content is one stretch: it stays where it is, and the operations go in front of it without a copy.
    if (this.#gathered === 0 && this.#stretch >= 0)
      return joined(operations, this.#input, this.#stretch, end);
    this.drop(end);
    return joined(operations, this.#scratch, this.#headroom, this.#headroom + this.#gathered);
  }
}

function joined(operations: Uint8Array, memory: Buffer, start: number, end: number): Buffer {
  memory.set(operations, start - operations.length);
  return memory.subarray(start - operations.length, end);
}
