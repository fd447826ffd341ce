// One connection of a conversation: reads packets, and writes those that the session hands it. Knows no position and no other connection.

import { Buffer } from 'node:buffer';

import { RamferryError, toRamferryError } from '../../errors.js';
import type { Channel } from '../../io/bytes.js';
import type { ExactReader } from '../../io/exact-reader.js';
import { type Packet, readPacket } from './packet.js';

export class PacketConnection {
  /** Its number among the connections of the transfer. */
  readonly number: number;
  /** An acknowledgement is to be written on it. */
  isDue = true;
  readonly #channel: Channel;
  readonly #reader: ExactReader;
  readonly #label: string;
  /** When the last write began, on the clock of performance.now(). */
  lastWrite = performance.now();
  #writing: Promise<void> = Promise.resolve();
  #reading: Promise<unknown> = Promise.resolve();

  constructor(channel: Channel, reader: ExactReader, number = 0) {
    this.number = number;
    this.#channel = channel;
    this.#reader = reader;
    this.#label = channel.source!.label;
    // Silence is judged where a read waits. A write waits as long as the other side takes no bytes, and that side says that it lives.
    channel.sink!.patience?.(0);
  }

  get channel(): Channel {
    return this.#channel;
  }

  /** @param silence milliseconds without a byte after which the read rejects; 0 = no limit */
  setSilence(silence: number): void {
    this.#channel.source!.patience?.(silence);
  }

  /**
   * @param most bytes of payload
   * @throws ERR_LINK_CLOSED when the connection ended, ERR_LINK_TIMEOUT, ERR_STREAM_CHECKSUM, ERR_STREAM_LIMIT
   */
  read(block: (bytes: number) => Buffer, most?: number): Promise<Packet> {
    const packet = this.#read(block, most);
    this.#reading = packet.catch(() => undefined);
    return packet;
  }

  async #read(block: (bytes: number) => Buffer, most?: number): Promise<Packet> {
    try {
      return await readPacket(this.#reader, block, most);
    } catch (thrown) {
      const error = toRamferryError(thrown, 'ERR_LINK_CLOSED');
      if (error.code !== 'ERR_STREAM_TRUNCATED') throw error;
      throw new RamferryError('ERR_LINK_CLOSED', `${this.#label} was closed by the other side`, {
        cause: error,
      });
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    this.lastWrite = performance.now();
    this.#writing = this.#channel.sink!.write(bytes);
    this.#writing.catch(() => undefined);
    return this.#writing;
  }

  /** Resolves when no write is pending. */
  async idle(): Promise<void> {
    await this.#writing.catch(() => undefined);
  }

  queued(): number {
    return this.#channel.sink!.queued();
  }

  /** Ends this side's direction. Never rejects. */
  async finish(): Promise<void> {
    await this.#channel.sink!.finish().catch(() => undefined);
  }

  /** Reads and drops packets until the other side's direction has ended or failed. The caller has what it needs. Never rejects. */
  async drain(): Promise<void> {
    await this.#reading;
    try {
      for (;;) await this.read((bytes) => Buffer.allocUnsafe(bytes));
    } catch {
      // It has ended.
    }
  }

  /** Ends both directions in order. Never rejects. */
  async close(): Promise<void> {
    await this.finish();
    await this.#channel.source!.close();
  }

  /** Ends the connection at once. */
  destroy(): void {
    void this.#channel.sink!.abort();
  }
}
