// A sender's link to a receiver that must hear first which guest comes (`ramferry serve`): version 1 until the receiver has begun with this
// transfer, then conversation version 2 (docs/FORMAT.md). Nothing changes for the reader and the writer above.

import { Buffer } from 'node:buffer';

import { toRamferryError } from '../errors.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { ExactReader } from '../io/exact-reader.js';
import { PACKET } from '../link/resume/packet.js';
import { PacketConnection } from '../link/resume/packet-connection.js';
import type { Session } from '../link/resume/session.js';
import { deferred } from '../os/deferred.js';
import { MESSAGE_HEADER_BYTES, messageRest } from './messages.js';

export interface SendingTurn {
  /** Bytes of the way back that were read already. */
  readonly seen: Buffer;
  /** Makes the session when the conversation begins. */
  readonly session: () => Session;
  /** The first bytes of the conversation. */
  readonly opening: () => Buffer;
}

export class SendingLink implements Channel {
  readonly duplex = true;
  readonly source: ByteSource;
  readonly sink: ByteSink;
  readonly #channel: Channel;
  readonly #turn: SendingTurn;
  readonly #reader: ExactReader;
  /** The receiver has answered the opening. */
  readonly #opened = deferred<undefined>();
  #isOpen = false;
  #session: Session | undefined;
  /** A whole message of version 1 that the reader above has not taken. */
  #held: Buffer;

  constructor(channel: Channel, turn: SendingTurn) {
    this.#channel = channel;
    this.#turn = turn;
    this.#reader = new ExactReader(channel.source!);
    this.#held = turn.seen;
    this.source = this.#makeSource(channel.source!);
    this.sink = this.#makeSink(channel.sink!);
  }

  get fd(): number | undefined {
    return this.#session === undefined ? this.#channel.fd : undefined;
  }

  /**
   * Opens the conversation. The source must be read meanwhile, and no write may be pending. Resolves when the receiver has answered. Never
   * rejects: the reader above meets what failed.
   */
  async open(): Promise<void> {
    const session = this.#turn.session();
    await this.#channel.sink!.write(this.#turn.opening()).catch(() => undefined);
    this.#session = session;
    session.start(new PacketConnection(this.#channel, this.#reader), this.#opened.promise);
    await this.#opened.promise.catch(() => undefined);
  }

  #makeSource(source: ByteSource): ByteSource {
    return {
      label: source.label,
      read: (target) => this.#read(target),
      patience: (milliseconds) => {
        if (this.#session === undefined) source.patience?.(milliseconds);
      },
      close: () => (this.#session?.source ?? source).close(),
    };
  }

  #makeSink(sink: ByteSink): ByteSink {
    const current = (): ByteSink => this.#session?.sink ?? sink;
    return {
      label: sink.label,
      write: (bytes) => current().write(bytes),
      queued: () => current().queued(),
      patience: (milliseconds) => current().patience?.(milliseconds),
      finish: (total) => current().finish(total),
      abort: () => current().abort(),
    };
  }

  async #read(target: Uint8Array): Promise<number> {
    if (target.length === 0) return 0;
    while (!this.#isOpen) {
      if (this.#held.length > 0) {
        const part = this.#held.subarray(0, target.length);
        target.set(part);
        this.#held = this.#held.subarray(part.length);
        return part.length;
      }
      await this.#nextMessage();
    }
    return this.#session!.source.read(target);
  }

  async #nextMessage(): Promise<void> {
    try {
      const header = Buffer.alloc(MESSAGE_HEADER_BYTES);
      await this.#reader.exactly(header);
      const rest = Buffer.alloc(messageRest(header));
      await this.#reader.exactly(rest);
      if (this.#session !== undefined && header.readUInt32LE(0) === PACKET.opened) {
        this.#isOpen = true;
        this.#opened.resolve(undefined);
      } else this.#held = Buffer.concat([header, rest]);
    } catch (thrown) {
      this.#opened.reject(toRamferryError(thrown));
      throw thrown;
    }
  }
}
