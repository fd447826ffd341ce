// The bytes of one direction that have arrived and that the reader has not taken. Counts what has arrived without a gap, from where a later
// connection continues, and what the reader has taken, which is acknowledged. On several connections packets overtake each other: they wait
// here for those before them, within a window.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import { BlockStock } from './block-stock.js';
import { MAX_PAYLOAD, type Packet, PACKET } from './packet.js';
import { MAX_SPREAD_PAYLOAD, windowCost } from './several.js';

interface Piece {
  /** Rest of a packet's payload, or of bytes that stand before the first packet. */
  readonly bytes: Buffer;
  readonly isNumbered: boolean;
  /** Bytes of the window that its packet takes. */
  readonly charge: number;
}

export class Arrived {
  readonly #window: number;
  readonly #stock: BlockStock;
  #pieces: Piece[] = [];
  /** Packets that wait for one before them, by position. */
  readonly #early = new Map<number, Packet>();
  #charged = 0;
  #waiting = 0;
  #received = 0;
  #taken = 0;
  #ended = false;
  #dropping = false;

  /** @param window bytes for packets of several connections; 0 = one connection, whose packets come in order */
  constructor(window = 0) {
    this.#window = window;
    this.#stock = new BlockStock(window === 0 ? MAX_PAYLOAD : MAX_SPREAD_PAYLOAD);
  }

  /** The position behind everything that has arrived without a gap; the end counts as one more. */
  get received(): number {
    return this.#received;
  }

  /** The position up to which the reader has taken everything. */
  get taken(): number {
    return this.#taken;
  }

  /** Bytes that the reader has not taken and could take. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Bytes of the window in use. */
  get charged(): number {
    return this.#charged;
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
    this.#pieces.push({ bytes, isNumbered: false, charge: 0 });
    this.#waiting += bytes.length;
  }

  /**
   * Adds a data or end packet.
   * @throws ERR_LINK_NEGOTIATION when it is not the next one, and on several connections: when it does not fit the window, or what came before
   */
  add(packet: Packet): void {
    if (this.#window > 0 && packet.position !== this.#received) {
      this.#addOutOfOrder(packet);
      return;
    }
    for (let next: Packet | undefined = packet; next !== undefined; next = this.#nextEarly())
      this.#append(next);
  }

  #nextEarly(): Packet | undefined {
    const next = this.#early.get(this.#received);
    if (next === undefined) return undefined;
    this.#early.delete(next.position);
    this.#charged -= chargeOf(next);
    return next;
  }

  #addOutOfOrder(packet: Packet): void {
    const { position, payload } = packet;
    const end = position + positionsOf(packet);
    const seen = this.#early.get(position);
    if (end <= this.#received || seen?.payload.length === payload.length) {
      // A broken connection had brought it already.
      this.#stock.giveBack(payload);
      return;
    }
    if (position < this.#received || this.#ended || seen !== undefined) throw this.#misplaced(position);
    this.#charge(packet);
    this.#early.set(position, packet);
  }

  #charge(packet: Packet): void {
    const charge = chargeOf(packet);
    if (this.#charged > 0 && this.#charged + charge > this.#window) {
      throw new RamferryError(
        'ERR_LINK_NEGOTIATION',
        `a packet of the other side at position ${packet.position} lies beyond the window of ${this.#window} bytes`,
      );
    }
    this.#charged += charge;
  }

  #append(packet: Packet): void {
    const { type, position, payload } = packet;
    if (position !== this.#received || this.#ended) throw this.#misplaced(position);
    this.#received += positionsOf(packet);
    if (type === PACKET.end) {
      this.#ended = true;
      if (this.#pieces.length === 0) this.#taken = this.#received;
    } else if (this.#dropping) {
      this.#taken = this.#received;
      this.#stock.giveBack(payload);
    } else {
      if (this.#window > 0) this.#charge(packet);
      this.#pieces.push({ bytes: payload, isNumbered: true, charge: chargeOf(packet) });
      this.#waiting += payload.length;
    }
  }

  /** Moves bytes to the reader. @returns how many; 0 when none wait */
  take(target: Uint8Array): number {
    let done = 0;
    while (done < target.length && this.#pieces.length > 0) {
      const piece = this.#pieces[0]!;
      const { bytes, isNumbered, charge } = piece;
      const part = bytes.subarray(0, target.length - done);
      target.set(part, done);
      done += part.length;
      if (isNumbered) this.#taken += part.length;
      if (part.length < bytes.length) {
        this.#pieces[0] = { ...piece, bytes: bytes.subarray(part.length) };
      } else {
        this.#pieces.shift();
        if (isNumbered) this.#stock.giveBack(bytes);
        if (this.#window > 0) this.#charged -= charge;
      }
    }
    this.#waiting -= done;
    if (this.#ended && this.#pieces.length === 0) this.#taken = this.#received;
    return done;
  }

  /** The reader wants no more: what has arrived and what still comes counts as taken. */
  drop(): void {
    this.#dropping = true;
    for (const { charge } of this.#pieces) this.#charged -= this.#window > 0 ? charge : 0;
    this.#pieces = [];
    this.#waiting = 0;
    this.#taken = this.#received;
    this.#stock.clear();
  }

  #misplaced(position: number): RamferryError {
    return new RamferryError(
      'ERR_LINK_NEGOTIATION',
      `a packet of the other side has position ${position}, expected ${this.#received}`,
    );
  }
}

function positionsOf({ type, payload }: Packet): number {
  return type === PACKET.end ? 1 : payload.length;
}

function chargeOf({ type, payload }: Packet): number {
  return type === PACKET.end ? 0 : windowCost(payload.length);
}
