// The receiver's end of conversation version 3 (docs/FORMAT.md), and of a sender that does not use it: the first bytes decide. Gives the bytes of the
// stream, and reads no byte before its reader asks for it, so that back-pressure never counts as silence.

import { Buffer } from 'node:buffer';

import { RamferryError, toRamferryError } from '../../errors.js';
import type { ByteSource } from '../../io/bytes.js';
import { ExactReader } from '../../io/exact-reader.js';
import { type OpeningLimits, readFirstBytes, readWholeOpening } from './first-bytes.js';
import { FINAL } from './living-sink.js';
import { LIVING_MAGIC, type Packet, PACKET, readPacket } from './packet.js';

/** Most bytes of a packet's payload. Those of the stream stand behind it. */
const MOST_PAYLOAD = 64;
const NUMBERS_BYTES = 8;
const DISCARD_BYTES = 65_536;
/** How long a first connection may bring no byte once the sender asks on another one. */
const HURRY_MS = 1_000;

export interface LivingSourceOptions extends OpeningLimits {
  /** Milliseconds without a byte while a read waits; 0 = no limit. Counts in conversation version 3. */
  readonly ioTimeout: number;
  /** Called when the sender has opened the conversation. */
  readonly onOpen: (id: Buffer) => void;
  /** Called when the sender speaks version 1. */
  readonly onPlain: () => void;
}

export class LivingSource implements ByteSource {
  readonly label: string;
  readonly #inner: ByteSource;
  readonly #options: LivingSourceOptions;
  readonly #reader: ExactReader;
  #mode: 'unknown' | 'plain' | 'living' = 'unknown';
  /** Bytes that were read to learn how the sender speaks. */
  #seen: Uint8Array = new Uint8Array(0);
  /** Bytes of the stream behind the last header. */
  #left = 0;
  #position = 0;
  #ended = false;
  #isFinal = false;
  #hasGivenUp = false;
  #wasHeard = false;
  #isClosed = false;
  #isBroken = false;

  constructor(inner: ByteSource, options: LivingSourceOptions) {
    this.label = inner.label;
    this.#inner = inner;
    this.#options = options;
    this.#reader = new ExactReader(inner, undefined, true);
  }

  /** A byte of the stream's final part may have come. */
  get isFinal(): boolean {
    return this.#isFinal;
  }

  /** The connection has ended, or was silent for too long, before this side closed it. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** The sender has said that it gives up, and will not ask. */
  get hasGivenUp(): boolean {
    return this.#hasGivenUp;
  }

  patience(milliseconds: number): void {
    // The sender says that it lives: whoever reads this source cannot know when.
    if (this.#mode !== 'living') this.#inner.patience?.(milliseconds);
  }

  async read(target: Uint8Array): Promise<number> {
    if (this.#mode === 'unknown') await this.#decide();
    if (this.#mode === 'plain') return this.#readPlain(target);
    if (target.length === 0) return 0;
    while (this.#left === 0) {
      if (this.#ended) return 0;
      this.#accept(await this.#packet());
    }
    return this.#take(target);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.#inner.close();
  }

  /** The sender has left this connection: what it still has must come soon. */
  hurry(): void {
    this.#inner.patience?.(HURRY_MS);
  }

  /**
   * Reads on until the sender says that it has the result.
   * @returns false when that can no longer come on this connection
   */
  async heard(): Promise<boolean> {
    if (this.#mode !== 'living') return false;
    const rest = new Uint8Array(DISCARD_BYTES);
    try {
      while (!this.#wasHeard && !this.#hasGivenUp) {
        if (this.#left > 0) await this.#take(rest);
        else this.#accept(await this.#packet(), true);
      }
    } catch {
      return false;
    }
    return this.#wasHeard;
  }

  async #take(target: Uint8Array): Promise<number> {
    const got = await this.#watched(() => this.#inner.read(target.subarray(0, this.#left)));
    if (got === 0) {
      this.#isBroken ||= !this.#isClosed;
      throw this.#reader.truncated(this.#left);
    }
    this.#left -= got;
    return got;
  }

  #packet(): Promise<Packet> {
    return this.#watched(() => readPacket(this.#reader, (bytes) => Buffer.alloc(bytes), MOST_PAYLOAD));
  }

  async #watched<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (thrown) {
      this.#isBroken ||= !this.#isClosed && isLinkFailure(toRamferryError(thrown));
      throw thrown;
    }
  }

  /** @param afterResult this side has said its result */
  #accept({ type, position, payload }: Packet, afterResult = false): void {
    switch (type) {
      case PACKET.stream:
        if (this.#ended || position !== this.#position || payload.length !== NUMBERS_BYTES) break;
        this.#left = payload.readUInt32LE(0);
        if (this.#left === 0) break;
        this.#position += this.#left;
        this.#isFinal ||= (payload.readUInt32LE(4) & FINAL) !== 0;
        return;
      case PACKET.end:
        if (this.#ended || position !== this.#position) break;
        this.#ended = true;
        this.#isFinal = true;
        return;
      case PACKET.alive:
        return;
      case PACKET.heard:
        if (!afterResult) break;
        this.#wasHeard = true;
        return;
      case PACKET.abort:
        this.#hasGivenUp = true;
        if (afterResult) return;
        throw new RamferryError('ERR_STREAM_TRUNCATED', `the other side of ${this.label} has given up`, {
          hint: 'look at the other side for the reason',
        });
      default:
    }
    throw new RamferryError(
      'ERR_LINK_NEGOTIATION',
      `a packet of type ${type} at position ${position} has no place behind ${this.#position} bytes of the stream`,
    );
  }

  async #readPlain(target: Uint8Array): Promise<number> {
    if (this.#seen.length === 0) return this.#inner.read(target);
    const part = this.#seen.subarray(0, target.length);
    target.set(part);
    this.#seen = this.#seen.subarray(part.length);
    return part.length;
  }

  async #decide(): Promise<void> {
    const first = await readFirstBytes(this.#inner, LIVING_MAGIC, this.#options);
    if (first.equals(LIVING_MAGIC)) {
      this.#inner.patience?.(this.#options.ioTimeout);
      const { id } = await readWholeOpening(this.#reader, this.label, this.#options);
      this.#mode = 'living';
      this.#options.onOpen(id);
    } else {
      this.#seen = first;
      this.#mode = 'plain';
      this.#options.onPlain();
    }
  }
}

function isLinkFailure({ code }: RamferryError): boolean {
  return code === 'ERR_STREAM_TRUNCATED' || code.startsWith('ERR_LINK_');
}
