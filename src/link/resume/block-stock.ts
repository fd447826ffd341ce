// Blocks of memory for packets, used again and again: the block that came back last goes out first, so that as few as possible are touched.

import { Buffer } from 'node:buffer';

import { BLOCK_BYTES } from './packet.js';

/** A smaller packet gets memory of its own: a block would waste its rest. */
const LEAST_BLOCK_USE = 16_384;

export class BlockStock {
  readonly #free: Buffer[] = [];

  /** Memory for at least so many bytes, at most BLOCK_BYTES. */
  take(bytes: number): Buffer {
    if (bytes < LEAST_BLOCK_USE) return Buffer.allocUnsafeSlow(bytes);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
  }

  /** Bytes that are held for a packet of so many bytes. */
  static cost(bytes: number): number {
    return bytes < LEAST_BLOCK_USE ? bytes : BLOCK_BYTES;
  }

  /** @param memory all or a part of what take() gave */
  giveBack(memory: Buffer): void {
    if (memory.buffer.byteLength === BLOCK_BYTES) this.#free.push(Buffer.from(memory.buffer));
  }

  clear(): void {
    this.#free.length = 0;
  }
}
