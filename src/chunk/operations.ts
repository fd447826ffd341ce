// The operations of a chunk: the steps that turn its content back into stream bytes (docs/FORMAT.md).
// This file writes and reads the encoding of single operations; plan.ts chooses them, expand.ts carries them out.
//
// An operation is one byte, kind in the low four bits and count in the high four (1 to 14; 15 means that
// 15 + a LEB128 number follows; 0 is invalid), then the arguments of its kind as LEB128 numbers.

import { RamferryError } from '../errors.js';

export const OP = {
  /** count bytes of skeleton, taken from the content */
  bytes: 1,
  /** count pages, taken from the content */
  literal: 2,
  /** count pages of zeros */
  zero: 3,
  /** count pages, each equal to the page `distance` pages earlier in this chunk; argument: distance >= 1 */
  duplicate: 4,
  /** count 64-bit words in arithmetic progression; arguments: see WordWriter in words.ts */
  progressionLE: 5,
  progressionBE: 6,
  /** count 64-bit words one by one */
  listLE: 7,
  listBE: 8,
  /** count pages as they were sent before, in slots that count up; argument: see SlotNumbers */
  same: 9,
  /** count pages equal to pages of others in the store, likewise */
  stored: 10,
  /** count pages by their difference to a slot, which then holds them; for each: slot, bytes of content */
  delta: 11,
  /** the last count literal pages go to slots that count up; produces nothing */
  keep: 12,
} as const;

/**
 * Operations name a slot by its difference to the expected slot: the slot behind the last that this chunk has named, 0 at its
 * start.
 */
export class SlotNumbers {
  #expected = 0;

  reset(): void {
    this.#expected = 0;
  }

  write(out: OperationWriter, slot: number, count: number): void {
    out.signed(slot - this.#expected);
    this.#expected = slot + count;
  }

  /** The first of `count` slots. @throws ERR_STREAM_FORMAT where the store has not all of them */
  read(from: OperationReader, count: number, slots: number): number {
    const slot = this.#expected + from.signed();
    if (slot < 0 || count > slots - slot) throw malformed('a slot is beyond the page store');
    this.#expected = slot + count;
    return slot;
  }
}

const COUNT_ESCAPE = 15;

/** Longest encoding of a LEB128 number here, in bytes: values stay below 2^32. */
const MAX_LEB = 5;

/** Writes operations into fixed memory. When it is full, sets `overflow` and writes nothing more. */
export class OperationWriter {
  readonly #bytes: Uint8Array;
  length = 0;
  overflow = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  reset(): void {
    this.length = 0;
    this.overflow = false;
  }

  begin(kind: number, count: number): void {
    if (this.length + 1 + MAX_LEB > this.#bytes.length) {
      this.overflow = true;
      return;
    }
    if (count < COUNT_ESCAPE) {
      this.#bytes[this.length++] = kind | (count << 4);
    } else {
      this.#bytes[this.length++] = kind | (COUNT_ESCAPE << 4);
      this.number(count - COUNT_ESCAPE);
    }
  }

  /** @param value an integer from 0 to 2^32 - 1 */
  number(value: number): void {
    if (this.length + MAX_LEB > this.#bytes.length) {
      this.overflow = true;
      return;
    }
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.#bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.length++] = rest;
  }

  /** A signed 32-bit number: 0, -1, 1, -2, … become 0, 1, 2, 3, … */
  signed(value: number): void {
    this.number(((value << 1) ^ (value >> 31)) >>> 0);
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

function malformed(what: string): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', `a chunk's operations are malformed: ${what}`);
}

/** Reads operations. Throws ERR_STREAM_FORMAT on anything that the writer cannot have written. */
export class OperationReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  kind = 0;
  count = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Moves to the next operation. @returns false at the end */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    const head = this.#bytes[this.#at++]!;
    this.kind = head & 15;
    this.count = head >>> 4;
    if (this.count === 0) throw malformed('a count is 0');
    if (this.count === COUNT_ESCAPE) this.count += this.number();
    return true;
  }

  number(): number {
    let value = 0;
    // Not `2 ** (7 * index)`: V8 calls a function for it, even in optimised code.
    let unit = 1;
    for (let index = 0; index < MAX_LEB; index++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed('they end within a number');
      // The fifth byte has room for four bits, and a number has no superfluous zero at its end.
      if (index === MAX_LEB - 1 && byte > 0x0f) throw malformed('a number exceeds 32 bits');
      value += (byte & 0x7f) * unit;
      unit *= 0x80;
      if (byte < 0x80) {
        if (byte === 0 && index > 0) throw malformed('a number is longer than it must be');
        return value;
      }
    }
    throw malformed('a number exceeds 32 bits');
  }

  signed(): number {
    const value = this.number();
    return (value >>> 1) ^ -(value & 1);
  }
}
