// The content of a chunk while it is planned: what of the input, and what else, goes to the codec, in order.
// One stretch of input stays where it was read; several, and what is not input, are gathered in memory of its own.
// Knows nothing of pages, and of operations only that they stand in front.

import { Buffer } from 'node:buffer';

import { copyBytes } from '../page/copy.js';

export class Content {
  readonly #headroom: number;
  readonly #scratch: Buffer;
  #input!: Buffer;
  /** Start of the stretch of input that becomes content as it is, -1 when there is none. */
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

  /** @param input the memory that positions are positions of; nothing of it is content yet */
  begin(input: Buffer): void {
    this.#input = input;
    this.#stretch = -1;
    this.#gathered = 0;
  }

  /** Input from `at` on is content. */
  keep(at: number): void {
    if (this.#stretch < 0) this.#stretch = at;
  }

  /** Input from `at` on is not content: what came before it is copied to the rest. */
  drop(at: number): void {
    if (this.#stretch < 0) return;
    copyBytes(this.#scratch, this.#headroom + this.#gathered, this.#input, this.#stretch, at);
    this.#gathered += at - this.#stretch;
    this.#stretch = -1;
  }

  /** Bytes that are not input; nothing of it is being kept. */
  gather(bytes: Buffer, length: number): void {
    copyBytes(this.#scratch, this.#headroom + this.#gathered, bytes, 0, length);
    this.#gathered += length;
  }

  /** In bytes, where the input ends at `end`. */
  length(end: number): number {
    return this.#gathered + (this.#stretch < 0 ? 0 : end - this.#stretch);
  }

  /** Puts the operations right in front of the content. @returns both, in one piece of memory */
  behind(operations: Uint8Array, end: number): Buffer {
    // All content is one stretch and stays where it is: no copy, the operations go in front of it.
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
