// The packets of one direction that the other side has not acknowledged, in order. They are kept so that a later connection can send
// them again. Bounded: the caller asks for room before it adds.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import { BlockStock } from './block-stock.js';
import { packet, PACKET, PACKET_OVERHEAD, sealPacket } from './packet.js';

export interface Kept {
  /** The position behind the packet. */
  readonly end: number;
  readonly bytes: Buffer;
}

export class Unacknowledged {
  readonly #limit: number;
  readonly #stock = new BlockStock();
  #packets: Kept[] = [];
  /** Number of the first kept packet, counted from the start of the transfer. */
  #first = 0;
  /** The position at which the first kept packet begins. */
  #base = 0;
  #held = 0;
  #position = 0;
  #acknowledged = 0;
  #ended = false;

  /** @param limit bytes that may be kept */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The position behind everything that was added; the end counts as one more. */
  get position(): number {
    return this.#position;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes of memory that are held. */
  get held(): number {
    return this.#held;
  }

  /** Whether a packet with so many bytes of payload fits. One always does. */
  hasRoom(payload: number): boolean {
    return this.#held === 0 || this.#held + BlockStock.cost(payload + PACKET_OVERHEAD) <= this.#limit;
  }

  /** Copies the bytes into a packet. @param payload at most MAX_PAYLOAD bytes */
  add(payload: Uint8Array): void {
    const block = this.#stock.take(payload.length + PACKET_OVERHEAD);
    const bytes = sealPacket(block, PACKET.data, this.#position, payload);
    this.#keep(bytes, payload.length);
  }

  end(): void {
    this.#ended = true;
    this.#keep(packet(PACKET.end, this.#position), 1);
  }

  #keep(bytes: Buffer, positions: number): void {
    this.#position += positions;
    this.#held += BlockStock.cost(bytes.length);
    this.#packets.push({ end: this.#position, bytes });
  }

  /** The packet of this number; undefined when it has not been added. */
  at(number: number): Kept | undefined {
    return this.#packets[number - this.#first];
  }

  /** Drops the packets before this position. @throws ERR_LINK_NEGOTIATION when it lies beyond what was added */
  acknowledge(position: number): void {
    if (position > this.#position) throw beyond(position);
    this.#acknowledged = Math.max(this.#acknowledged, position);
    let count = 0;
    for (const { end, bytes } of this.#packets) {
      if (end > position) break;
      this.#held -= BlockStock.cost(bytes.length);
      this.#stock.giveBack(bytes);
      this.#base = end;
      count += 1;
    }
    if (count > 0) this.#packets.splice(0, count);
    this.#first += count;
  }

  /**
   * The number of the packet that begins at this position, for a peer that has everything before it.
   * @throws ERR_LINK_NEGOTIATION when no kept packet begins there
   */
  numberAt(position: number): number {
    let number = this.#first;
    let begin = this.#base;
    for (const { end } of this.#packets) {
      if (begin === position) return number;
      begin = end;
      number += 1;
    }
    if (begin === position) return number;
    throw beyond(position);
  }

  clear(): void {
    this.#packets = [];
    this.#held = 0;
    this.#stock.clear();
  }
}

function beyond(position: number): RamferryError {
  return new RamferryError(
    'ERR_LINK_NEGOTIATION',
    `the other side names position ${position}, which was not sent`,
  );
}
