// The checksum of the stream: XXH64 with seed 0, kept as eight little-endian bytes.
// There is one kind so far. The stream's header names it, so that another can follow.

import type { Buffer } from 'node:buffer';

import { xxh64, Xxh64 } from './xxhash.js';

/** Checksum numbers as they stand in the stream's header; 0 is never valid. */
export const CHECKSUM_ID = { xxh64: 1 } as const;

export const CHECKSUM_BYTES = 8;

export function checksum(bytes: Uint8Array): bigint {
  return xxh64(bytes);
}

/** The checksum of bytes that come in pieces. */
export class RunningChecksum {
  readonly #state = new Xxh64();

  update(bytes: Uint8Array): this {
    this.#state.update(bytes);
    return this;
  }

  digest(): bigint {
    return this.#state.digest();
  }
}

/** Appends the checksum of memory[from, to) at `to`. */
export function sealRange(memory: Buffer, from: number, to: number): void {
  memory.writeBigUInt64LE(checksum(memory.subarray(from, to)), to);
}

/** Whether the eight bytes at `to` are the checksum of memory[from, to). */
export function rangeIsSealed(memory: Buffer, from: number, to: number): boolean {
  return memory.readBigUInt64LE(to) === checksum(memory.subarray(from, to));
}
