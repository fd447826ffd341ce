// `Exchange`: the packets of both directions over the connections that live now. Keeps what a later connection needs to continue: what was
// not acknowledged, what has arrived, and from where each direction goes on. Says when a connection has broken, and decides nothing.

import type { Buffer } from 'node:buffer';

import { RamferryError, toRamferryError } from '../../errors.js';
import { Signal } from '../../os/signal.js';
import { Arrived } from './arrived.js';
import type { Joined } from './joining.js';
import { acknowledgement, LIMIT_BYTES, MAX_PAYLOAD, type Packet, PACKET } from './packet.js';
import { PacketConnection } from './packet-connection.js';
import { MAX_SPREAD_PAYLOAD, type Several } from './several.js';
import { Unacknowledged } from './unacknowledged.js';

/** How often the exchange looks whether something is to be acknowledged. */
const LOOK_MS = 50;
/** Taken bytes after which an acknowledgement does not wait for the next look. */
const ACKNOWLEDGE_BYTES = 1_048_576;
/** The same as a share of the window: a small one must not wait for looks. */
const ACKNOWLEDGE_SHARE = 1 / 8;
/** A connection on which nothing was written for so long says that it lives. */
const KEEP_ALIVE_MS = 500;

export interface ExchangeOptions {
  /** Bytes that may be kept until the other side acknowledges them. */
  readonly keep: number;
  /** One connection: most bytes that are read before this side's reader has asked for them. */
  readonly readAhead: number;
  /** Default: one connection at a time. */
  readonly several?: Several | undefined;
  /** Milliseconds without a byte after which a connection counts as dead; 0 = never. */
  readonly silence: () => number;
  /** Milliseconds that this side would wait for a broken link: each acknowledgement says so. */
  readonly limit: () => number;
  /** Called when the other side names its own. */
  readonly onLimit: (milliseconds: number) => void;
  /** Called when a connection has broken. It has been destroyed. */
  readonly onBroken: (reason: RamferryError, number: number) => void;
  /** Called when the other side says that it gives up. */
  readonly onAbort: () => void;
}

export class Exchange {
  readonly arrived: Arrived;
  readonly sent: Unacknowledged;
  /** Notified of every change. */
  readonly changed = new Signal();
  readonly #options: ExchangeOptions;
  readonly #timer: NodeJS.Timeout;
  /** Wakes the connections that have nothing to write. */
  readonly #work = new Signal();
  /** By number. */
  readonly #living = new Map<number, PacketConnection>();
  /** Connections so far, by number. */
  readonly #connections = new Map<number, number>();
  readonly #acknowledgeBytes: number;
  /** Carries what is written once: acknowledgements, and data that is not spread. */
  #lead: PacketConnection | undefined;
  /** The position that was acknowledged last. */
  #acknowledged = 0;
  #isOpen = false;

  constructor(options: ExchangeOptions) {
    const { keep, several } = options;
    this.#options = options;
    const spread = several && { payload: MAX_SPREAD_PAYLOAD, window: several.peerWindow };
    this.sent = new Unacknowledged({ keep, ...spread });
    this.arrived = new Arrived(several?.window);
    this.#acknowledgeBytes = Math.min(ACKNOWLEDGE_BYTES, (several?.window ?? Infinity) * ACKNOWLEDGE_SHARE);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Number of connections that live. */
  get living(): number {
    return this.#living.size;
  }

  /** Connections that have lived, each number counted once. */
  get numbers(): number {
    return this.#connections.size;
  }

  /** Connections of this number so far. */
  connectionsOf(number: number): number {
    return this.#connections.get(number) ?? 0;
  }

  /** Bytes in the connections' send queues. */
  queued(): number {
    return [...this.#living.values()].reduce((sum, each) => sum + each.queued(), 0);
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
    this.#add(connection);
    this.#run(connection, before);
  }

  /**
   * Continues on another connection, and drops the one of the same number before.
   * @throws ERR_LINK_NEGOTIATION when the other side does not continue where this one can
   */
  join({ channel, reader, received, answer, number }: Joined): void {
    const before = this.#living.get(number);
    this.sent.continueFrom(received, before);
    if (before !== undefined) this.#drop(before);
    const connection = new PacketConnection(channel, reader, number);
    this.#add(connection);
    this.changed.notify();
    if (answer === undefined) this.#run(connection);
    else {
      connection.write(answer(this.arrived.received)).then(
        () => this.#lives(connection) && this.#run(connection),
        (thrown: unknown) => this.#broke(connection, thrown),
      );
    }
  }

  setSilence(silence: number): void {
    for (const connection of this.#living.values()) connection.setSilence(silence);
  }

  /** Sends these bytes. @param piece at most `sent.payload` bytes */
  send(piece: Uint8Array): void {
    this.sent.add(piece);
    this.#work.notify();
  }

  /** Ends this side's direction. */
  endSending(): void {
    this.sent.end();
    this.#work.notify();
    this.changed.notify();
  }

  /** The reader has taken bytes, or wants no more. @param atOnce the acknowledgement must not wait */
  took(atOnce = false): void {
    if (atOnce || this.arrived.taken - this.#acknowledged >= this.#acknowledgeBytes) this.#setDue();
    this.changed.notify();
  }

  /** Ends the exchange. @returns the living connections, which the caller must close */
  end(): PacketConnection[] {
    clearInterval(this.#timer);
    const connections = [...this.#living.values()];
    this.#living.clear();
    this.#lead = undefined;
    this.sent.clear();
    this.#work.notify();
    this.changed.notify();
    return connections;
  }

  /** What has been taken. On several connections also the last word on each: the other side may see the end of one before it reads the others. */
  acknowledgement(): Buffer {
    return acknowledgement(this.arrived.taken, this.#options.limit());
  }

  #add(connection: PacketConnection): void {
    const { number } = connection;
    this.#living.set(number, connection);
    this.#connections.set(number, this.connectionsOf(number) + 1);
    this.#chooseLead();
  }

  #drop(connection: PacketConnection): void {
    connection.destroy();
    this.#living.delete(connection.number);
    this.sent.lost(connection);
    this.#chooseLead();
    this.#work.notify();
    this.changed.notify();
  }

  #chooseLead(): void {
    const least = Math.min(...this.#living.keys());
    this.#lead = this.#living.get(least);
    this.#setDue();
  }

  #setDue(): void {
    if (this.#lead === undefined) return;
    this.#lead.isDue = true;
    this.#work.notify();
  }

  #lives(connection: PacketConnection): boolean {
    return this.#living.get(connection.number) === connection;
  }

  #run(connection: PacketConnection, before: Promise<void> = Promise.resolve()): void {
    connection.isDue = true;
    void this.#receive(connection, before);
    void this.#transmit(connection);
  }

  async #receive(connection: PacketConnection, before: Promise<void>): Promise<void> {
    const { readAhead, silence, several } = this.#options;
    const { arrived, changed } = this;
    // Of several connections each must be read: the packet that the reader waits for may come on any. The window bounds what is held.
    const [ahead, most] = several === undefined ? [readAhead, MAX_PAYLOAD] : [Infinity, MAX_SPREAD_PAYLOAD];
    const block = (bytes: number): Buffer => arrived.block(bytes);
    try {
      await before;
      this.#isOpen = true;
      for (;;) {
        while (arrived.waiting > ahead && this.#lives(connection)) await changed.wait();
        if (!this.#lives(connection)) return;
        connection.setSilence(silence());
        const next = await connection.read(block, most);
        if (!this.#lives(connection)) return;
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
        if (this.arrived.isDropping || this.arrived.ended) this.#setDue();
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

  /** Each connection takes the next packet when it has written the one before: a slow one takes fewer. */
  async #transmit(connection: PacketConnection): Promise<void> {
    const { sent } = this;
    try {
      while (this.#lives(connection)) {
        const carries = this.#options.several?.spreads === true || connection === this.#lead;
        const kept = carries && !connection.isDue ? sent.next(connection) : undefined;
        if (connection.isDue) await this.#acknowledge(connection);
        else if (kept !== undefined) {
          await connection.write(kept.bytes);
          sent.written(kept);
        } else {
          await this.#work.wait();
          continue;
        }
        this.changed.notify();
      }
    } catch (thrown) {
      this.#broke(connection, thrown);
    }
  }

  async #acknowledge(connection: PacketConnection): Promise<void> {
    connection.isDue = false;
    const { taken } = this.arrived;
    await connection.write(this.acknowledgement());
    this.#acknowledged = Math.max(this.#acknowledged, taken);
  }

  #look(): void {
    for (const connection of this.#living.values()) {
      const isQuiet = performance.now() - connection.lastWrite >= KEEP_ALIVE_MS;
      const isBehind = connection === this.#lead && this.arrived.taken !== this.#acknowledged;
      if (!isQuiet && !isBehind) continue;
      connection.isDue = true;
      this.#work.notify();
    }
  }

  #broke(connection: PacketConnection, thrown: unknown): void {
    connection.destroy();
    if (!this.#lives(connection)) return;
    this.#drop(connection);
    this.#options.onBroken(toRamferryError(thrown), connection.number);
  }
}
