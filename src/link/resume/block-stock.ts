// Blocks of memory for packets, used again and again: the block that came back last goes out first, so that as few as possible are touched.

import { Buffer } from 'node:buffer';

import { LEAST_BLOCK_USE, PACKET_OVERHEAD } from './packet.js';

export class BlockStock {
  readonly #blockBytes: number;
  readonly #free: Buffer[] = [];

  /** @param payload most bytes of a packet's payload */
  constructor(payload: number) {
    this.#blockBytes = payload + PACKET_OVERHEAD;
  }

  /** Memory for at least so many bytes, at most those of the largest packet. */
  take(bytes: number): Buffer {
    if (bytes < LEAST_BLOCK_USE) return Buffer.allocUnsafeSlow(bytes);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#blockBytes);
  }

  /** Bytes that are held for a packet of so many bytes. */
  cost(bytes: number): number {
    return bytes < LEAST_BLOCK_USE ? bytes : this.#blockBytes;
  }

  /** @param memory all or a part of what take() gave */
  giveBack(memory: Buffer): void {
    if (memory.buffer.byteLength === this.#blockBytes) this.#free.push(Buffer.from(memory.buffer));
  }

  clear(): void {
    this.#free.length = 0;
  }
}
