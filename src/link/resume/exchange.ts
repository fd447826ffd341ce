// `Exchange`: the packets of both directions over the connection that lives now. Keeps what a later connection needs to continue: what was
// not acknowledged, what has arrived, and from where each direction goes on. Says when the connection has broken, and decides nothing.

import { Buffer } from 'node:buffer';

import { RamferryError, toRamferryError } from '../../errors.js';
import { Signal } from '../../os/signal.js';
import { Arrived } from './arrived.js';
import type { Joined } from './joining.js';
import { type Packet, packet, PACKET } from './packet.js';
import { PacketConnection } from './packet-connection.js';
import { Unacknowledged } from './unacknowledged.js';

/** How often the exchange looks whether something is to be acknowledged. */
const LOOK_MS = 50;
/** Taken bytes after which an acknowledgement does not wait for the next look. */
const ACKNOWLEDGE_BYTES = 1_048_576;
/** A side that has written nothing for so long says that it lives. */
const KEEP_ALIVE_MS = 500;
const LIMIT_BYTES = 4;

export interface ExchangeOptions {
  /** Bytes that may be kept until the other side acknowledges them. */
  readonly keep: number;
  /** Most bytes that are read before this side's reader has asked for them. */
  readonly readAhead: number;
  /** Milliseconds without a byte after which the connection counts as dead; 0 = never. */
  readonly silence: () => number;
  /** Milliseconds that this side would wait for a broken link: each acknowledgement says so. */
  readonly limit: () => number;
  /** Called when the other side names its own. */
  readonly onLimit: (milliseconds: number) => void;
  /** Called when the connection has broken. It has been destroyed. */
  readonly onBroken: (reason: RamferryError) => void;
  /** Called when the other side says that it gives up. */
  readonly onAbort: () => void;
}

export class Exchange {
  readonly arrived = new Arrived();
  readonly sent: Unacknowledged;
  /** Notified of every change. */
  readonly changed = new Signal();
  readonly #options: ExchangeOptions;
  readonly #timer: NodeJS.Timeout;
  #connection: PacketConnection | undefined;
  /** Number of the next packet to write. */
  #next = 0;
  /** The position behind what a connection has taken at least once. */
  #written = 0;
  /** The position that was acknowledged last. */
  #acknowledged = 0;
  /** An acknowledgement is to be written. */
  #isDue = true;
  #isOpen = false;
  #connections = 0;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.sent = new Unacknowledged(options.keep);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  get connection(): PacketConnection | undefined {
    return this.#connection;
  }

  /** Connections so far. */
  get connections(): number {
    return this.#connections;
  }

  get written(): number {
    return this.#written;
  }

  /** Packets have come or may come: another connection can continue from here. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Both directions have ended, and both sides know it. */
  get isComplete(): boolean {
    const { sent, arrived } = this;
    const allHeard = sent.ended && sent.acknowledged >= sent.position;
    return allHeard && arrived.ended && this.#acknowledged >= arrived.received;
  }

  /** Begins on the first connection. @param before resolves when packets follow */
  start(connection: PacketConnection, before?: Promise<void>): void {
    this.#connections = 1;
    this.#connection = connection;
    this.#run(connection, before);
  }

  /**
   * Continues on another connection, and drops the one before.
   * @throws ERR_LINK_NEGOTIATION when the other side does not continue where this one can
   */
  replace({ channel, reader, received, answer }: Joined): void {
    this.#next = this.sent.numberAt(received);
    const connection = new PacketConnection(channel, reader);
    this.#connection?.destroy();
    this.#connection = connection;
    this.#connections += 1;
    this.changed.notify();
    if (answer === undefined) this.#run(connection);
    else {
      connection.write(answer(this.arrived.received)).then(
        () => connection === this.#connection && this.#run(connection),
        (thrown: unknown) => this.#broke(connection, thrown),
      );
    }
  }

  /** The reader has taken bytes, or wants no more. @param atOnce the acknowledgement must not wait */
  took(atOnce = false): void {
    if (atOnce || this.arrived.taken - this.#acknowledged >= ACKNOWLEDGE_BYTES) this.#isDue = true;
    this.changed.notify();
  }

  /** Ends the exchange. @returns the connection, which the caller must close */
  end(): PacketConnection | undefined {
    clearInterval(this.#timer);
    const connection = this.#connection;
    this.#connection = undefined;
    this.sent.clear();
    this.changed.notify();
    return connection;
  }

  #run(connection: PacketConnection, before: Promise<void> = Promise.resolve()): void {
    this.#isDue = true;
    void this.#receive(connection, before);
    void this.#transmit(connection);
  }

  async #receive(connection: PacketConnection, before: Promise<void>): Promise<void> {
    const { readAhead, silence } = this.#options;
    const { arrived, changed } = this;
    const block = (bytes: number): Buffer => arrived.block(bytes);
    try {
      await before;
      this.#isOpen = true;
      for (;;) {
        while (arrived.waiting > readAhead && connection === this.#connection) await changed.wait();
        if (connection !== this.#connection) return;
        connection.setSilence(silence());
        const next = await connection.read(block);
        if (connection !== this.#connection) return;
        this.#arrive(next);
        changed.notify();
      }
    } catch (thrown) {
      this.#broke(connection, thrown);
    }
  }

  #arrive(next: Packet): void {
    const { type, position, payload } = next;
    switch (type) {
      case PACKET.data:
      case PACKET.end:
        this.arrived.add(next);
        if (this.arrived.isDropping || type === PACKET.end) this.#isDue = true;
        return;
      case PACKET.acknowledge:
        this.sent.acknowledge(position);
        if (payload.length === LIMIT_BYTES) this.#options.onLimit(payload.readUInt32LE(0));
        return;
      case PACKET.abort:
        this.#options.onAbort();
        return;
      default:
        throw new RamferryError(
          'ERR_LINK_NEGOTIATION',
          `a packet of type ${type} has no place in a conversation`,
        );
    }
  }

  async #transmit(connection: PacketConnection): Promise<void> {
    try {
      while (connection === this.#connection) {
        const kept = this.sent.at(this.#next);
        if (this.#isDue) await this.#acknowledge(connection);
        else if (kept !== undefined) {
          this.#next += 1;
          await connection.write(kept.bytes);
          this.#written = Math.max(this.#written, kept.end);
        } else {
          await this.changed.wait();
          continue;
        }
        this.changed.notify();
      }
    } catch (thrown) {
      this.#broke(connection, thrown);
    }
  }

  async #acknowledge(connection: PacketConnection): Promise<void> {
    this.#isDue = false;
    const { taken } = this.arrived;
    const limit = Buffer.alloc(LIMIT_BYTES);
    limit.writeUInt32LE(Math.min(this.#options.limit(), 2 ** 32 - 1));
    await connection.write(packet(PACKET.acknowledge, taken, limit));
    this.#acknowledged = Math.max(this.#acknowledged, taken);
  }

  #look(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const quiet = performance.now() - connection.lastWrite >= KEEP_ALIVE_MS;
    if (!quiet && this.arrived.taken === this.#acknowledged) return;
    this.#isDue = true;
    this.changed.notify();
  }

  #broke(connection: PacketConnection, thrown: unknown): void {
    connection.destroy();
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    this.changed.notify();
    this.#options.onBroken(toRamferryError(thrown));
  }
}
