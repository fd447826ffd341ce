// The bytes of one direction that have arrived and that the reader has not taken. Counts what has arrived, from where a later connection
// continues, and what the reader has taken, which is acknowledged.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import { BlockStock } from './block-stock.js';
import { type Packet, PACKET } from './packet.js';

interface Piece {
  /** Rest of a packet's payload, or of bytes that stand before the first packet. */
  readonly bytes: Buffer;
  readonly isNumbered: boolean;
}

export class Arrived {
  readonly #stock = new BlockStock();
  #pieces: Piece[] = [];
  #waiting = 0;
  #received = 0;
  #taken = 0;
  #ended = false;
  #dropping = false;

  /** The position behind everything that has arrived; the end counts as one more. */
  get received(): number {
    return this.#received;
  }

  /** The position up to which the reader has taken everything. */
  get taken(): number {
    return this.#taken;
  }

  /** Bytes that the reader has not taken. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The other side has ended this direction, and that has arrived. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The reader wants no more. */
  get isDropping(): boolean {
    return this.#dropping;
  }

  /** Memory for a packet of so many bytes. */
  block(bytes: number): Buffer {
    return this.#stock.take(bytes);
  }

  /** Adds bytes that stand before the first packet and are not acknowledged. */
  preface(bytes: Buffer): void {
    this.#pieces.push({ bytes, isNumbered: false });
    this.#waiting += bytes.length;
  }

  /** Adds a data or end packet. @throws ERR_LINK_NEGOTIATION when it is not the next one */
  add({ type, position, payload }: Packet): void {
    if (position !== this.#received || this.#ended) {
      throw new RamferryError(
        'ERR_LINK_NEGOTIATION',
        `a packet of the other side has position ${position}, expected ${this.#received}`,
      );
    }
    if (type === PACKET.end) {
      this.#received += 1;
      this.#ended = true;
      if (this.#pieces.length === 0) this.#taken = this.#received;
      return;
    }
    this.#received += payload.length;
    if (this.#dropping) {
      this.#taken = this.#received;
      this.#stock.giveBack(payload);
    } else {
      this.#pieces.push({ bytes: payload, isNumbered: true });
      this.#waiting += payload.length;
    }
  }

  /** Moves bytes to the reader. @returns how many; 0 when none wait */
  take(target: Uint8Array): number {
    let done = 0;
    while (done < target.length && this.#pieces.length > 0) {
      const { bytes, isNumbered } = this.#pieces[0]!;
      const part = bytes.subarray(0, target.length - done);
      target.set(part, done);
      done += part.length;
      if (isNumbered) this.#taken += part.length;
      if (part.length < bytes.length) {
        this.#pieces[0] = { bytes: bytes.subarray(part.length), isNumbered };
      } else {
        this.#pieces.shift();
        if (isNumbered) this.#stock.giveBack(bytes);
      }
    }
    this.#waiting -= done;
    if (this.#ended && this.#pieces.length === 0) this.#taken = this.#received;
    return done;
  }

  /** The reader wants no more: what has arrived and what still comes counts as taken. */
  drop(): void {
    this.#dropping = true;
    this.#pieces = [];
    this.#waiting = 0;
    this.#taken = this.#received;
    this.#stock.clear();
  }
}
