// Reads a stream that arrives in pieces of any size. `Cursor` walks one piece. `Gather` collects an item that spans several
// pieces; its memory is bounded by that one item.

/** Receives decoded bytes. The decoder owns them; they are valid until the call returns or resolves. */
export type Emit = (bytes: Uint8Array) => void | Promise<void>;

export class Cursor {
  readonly #bytes: Uint8Array;
  readonly #base: number;
  at = 0;

  /** @param base offset in the stream of the first byte */
  constructor(bytes: Uint8Array, base: number) {
    this.#bytes = bytes;
    this.#base = base;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  /** Offset in the stream of the next byte. */
  get offset(): number {
    return this.#base + this.at;
  }

  take(n: number): Uint8Array {
    this.at += n;
    return this.#bytes.subarray(this.at - n, this.at);
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.at);
  }

  /** Bytes between an earlier position and this one. */
  since(at: number): Uint8Array {
    return this.#bytes.subarray(at, this.at);
  }
}

export class Gather {
  #held = Buffer.alloc(64);
  #have = 0;

  /** The gathered bytes of an incomplete item. */
  get partial(): Uint8Array {
    return this.#held.subarray(0, this.#have);
  }

  /**
   * Takes an item of n bytes (at least 1).
   * @returns the bytes, valid until the next call; undefined when the cursor is exhausted before it is complete:
   *   call again with the same n.
   */
  take(cursor: Cursor, n: number): Uint8Array | undefined {
    if (this.#have === 0 && cursor.left >= n) return cursor.take(n);
    const part = cursor.take(Math.min(n - this.#have, cursor.left));
    this.#reserve(Math.min(n, this.#have + part.length));
    this.#held.set(part, this.#have);
    this.#have += part.length;
    if (this.#have < n) return undefined;
    this.#have = 0;
    return this.#held.subarray(0, n);
  }

  /** Grows with the bytes received, not with the length that a header claims. */
  #reserve(size: number): void {
    if (size <= this.#held.length) return;
    const larger = Buffer.alloc(2 ** Math.ceil(Math.log2(size)));
    larger.set(this.partial);
    this.#held = larger;
  }
}
