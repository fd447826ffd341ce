// The packets of one direction that the other side has not acknowledged, in order. They are kept so that another connection can carry them
// again. Says which packet a connection writes next. Bounded: the caller asks for room before it adds.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import { BlockStock } from './block-stock.js';
import { MAX_PAYLOAD, packet, PACKET, PACKET_OVERHEAD, sealPacket } from './packet.js';
import { windowCost } from './several.js';

/** A packet that is kept. */
export interface Kept {
  /** The position behind the packet. */
  readonly end: number;
  readonly bytes: Buffer;
}

interface Entry extends Kept {
  /** Bytes of the other side's window. */
  readonly charge: number;
  /** Connection that writes the packet, or has written it. */
  carrier: object | undefined;
  /** A connection has taken it at least once. */
  isWritten: boolean;
  /** A connection reads its memory. */
  isWriting: boolean;
}

export interface Bounds {
  /** Bytes of memory that may be kept. */
  readonly keep: number;
  /** Most bytes of payload in a packet. Default: {@link MAX_PAYLOAD}. */
  readonly payload?: number;
  /** Bytes of the other side's window. Default: it has none, because one connection keeps the order. */
  readonly window?: number;
}

export class Unacknowledged {
  readonly payload: number;
  readonly #keep: number;
  readonly #window: number;
  readonly #stock: BlockStock;
  #packets: Entry[] = [];
  /** Number of the first kept packet, counted from the start of the transfer. */
  #first = 0;
  /** Number of the next packet that no connection has begun to write. */
  #next = 0;
  /** Numbers of packets that a broken connection has left, in order. */
  #again: number[] = [];
  /** The position at which the first kept packet begins. */
  #base = 0;
  #held = 0;
  #charged = 0;
  #unwritten = 0;
  #position = 0;
  #acknowledged = 0;
  #ended = false;

  constructor({ keep, payload = MAX_PAYLOAD, window = Infinity }: Bounds) {
    this.#keep = keep;
    this.payload = payload;
    this.#window = window;
    this.#stock = new BlockStock(payload);
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

  /** Packets that no connection has taken yet. */
  get unwritten(): number {
    return this.#unwritten;
  }

  /** Whether a packet with so many bytes of payload fits. One always does. */
  hasRoom(payload: number): boolean {
    if (this.#held === 0) return true;
    const cost = this.#stock.cost(payload + PACKET_OVERHEAD);
    return this.#held + cost <= this.#keep && this.#charged + windowCost(payload) <= this.#window;
  }

  /** Copies the bytes into a packet. @param payload at most `this.payload` bytes */
  add(payload: Uint8Array): void {
    const block = this.#stock.take(payload.length + PACKET_OVERHEAD);
    const bytes = sealPacket(block, PACKET.data, this.#position, payload);
    this.#keepPacket(bytes, payload.length, windowCost(payload.length));
  }

  end(): void {
    this.#ended = true;
    this.#keepPacket(packet(PACKET.end, this.#position), 1, 0);
  }

  #keepPacket(bytes: Buffer, positions: number, charge: number): void {
    this.#position += positions;
    this.#held += this.#stock.cost(bytes.length);
    this.#charged += charge;
    this.#unwritten += 1;
    const state = { carrier: undefined, isWritten: false, isWriting: false };
    this.#packets.push({ end: this.#position, bytes, charge, ...state });
  }

  /** The next packet for this connection to write, those first that a broken one has left; undefined when there is none. */
  next(carrier: object): Kept | undefined {
    let entry: Entry | undefined;
    while (entry === undefined && this.#again.length > 0) entry = this.#at(this.#again.shift()!);
    if (entry === undefined) {
      entry = this.#at(this.#next);
      if (entry === undefined) return undefined;
      this.#next += 1;
    }
    entry.carrier = carrier;
    entry.isWriting = true;
    return entry;
  }

  /** A connection has taken this packet. */
  written(kept: Kept): void {
    const entry = kept as Entry;
    entry.isWriting = false;
    this.#countWritten(entry);
  }

  /** A connection has broken: what it carried must be written again. */
  lost(carrier: object): void {
    const left = this.#packets.flatMap((entry, index) =>
      entry.carrier === carrier ? [this.#first + index] : [],
    );
    for (const number of left) this.#at(number)!.carrier = undefined;
    this.#again = [...this.#again, ...left].sort((a, b) => a - b);
  }

  #at(number: number): Entry | undefined {
    return this.#packets[number - this.#first];
  }

  #countWritten(entry: Entry): void {
    if (!entry.isWritten) this.#unwritten -= 1;
    entry.isWritten = true;
  }

  /** Drops the packets before this position. @throws ERR_LINK_NEGOTIATION when it lies beyond what was added */
  acknowledge(position: number): void {
    if (position > this.#position) throw beyond(position);
    this.#acknowledged = Math.max(this.#acknowledged, position);
    let count = 0;
    for (const entry of this.#packets) {
      if (entry.end > position) break;
      this.#held -= this.#stock.cost(entry.bytes.length);
      this.#charged -= entry.charge;
      this.#countWritten(entry);
      // A second copy may still be on its way into a connection.
      if (!entry.isWriting) this.#stock.giveBack(entry.bytes);
      this.#base = entry.end;
      count += 1;
    }
    if (count > 0) this.#packets.splice(0, count);
    this.#first += count;
    this.#next = Math.max(this.#next, this.#first);
  }

  /**
   * The other side says on a new connection that it has everything before this position: what a broken one has left before it need not
   * be written again.
   * @param broken connection whose place the new one takes
   * @throws ERR_LINK_NEGOTIATION when no kept packet begins there
   */
  continueFrom(position: number, broken?: object): void {
    // Beside other connections the other side may have gone on meanwhile.
    const isLate = this.#window !== Infinity && position < this.#base;
    let number = this.#first;
    let begin = this.#base;
    for (const { end } of this.#packets) {
      if (begin >= position) break;
      begin = end;
      number += 1;
    }
    if (begin !== position && !isLate) throw beyond(position);
    if (broken !== undefined) this.lost(broken);
    this.#again = this.#again.filter((each) => each >= number);
  }

  clear(): void {
    this.#packets = [];
    this.#again = [];
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
