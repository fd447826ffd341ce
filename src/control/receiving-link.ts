// A receiver's link whose sender may open a conversation of version 2 (docs/FORMAT.md): the sender's first bytes decide. Where it opens none, the link stays
// what it is.

import { toRamferryError } from '../errors.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { ExactReader } from '../io/exact-reader.js';
import { type OpeningLimits, readFirstBytes, readWholeOpening } from '../link/resume/first-bytes.js';
import { opened, type Opening } from '../link/resume/joining.js';
import { CONVERSATION_MAGIC } from '../link/resume/packet.js';
import { PacketConnection } from '../link/resume/packet-connection.js';
import type { Session } from '../link/resume/session.js';

export interface Turns extends OpeningLimits {
  /** The sender opens no conversation. @param seen its first bytes, which must be read again */
  readonly plain: (seen: Uint8Array) => void;
  readonly session: (said: Opening) => Session;
  /** The sender has heard that the conversation is open. */
  readonly onOpen: (session: Session) => void;
}

/** A receiver's link, before and after it knows how the sender speaks. */
export class ReceivingLink implements Channel {
  readonly duplex = true;
  readonly source: ByteSource;
  readonly sink: ByteSink;
  readonly #channel: Channel;
  readonly #turns: Turns;
  #isDecided = false;
  #session: Session | undefined;
  /** The last write; `opened` must not come between two halves of a message. */
  #writes: Promise<unknown> = Promise.resolve();

  constructor(channel: Channel, turns: Turns) {
    this.#channel = channel;
    this.#turns = turns;
    this.source = this.#makeSource(channel.source!);
    this.sink = this.#makeSink(channel.sink!);
  }

  get fd(): number | undefined {
    return this.#session === undefined ? this.#channel.fd : undefined;
  }

  #makeSource(source: ByteSource): ByteSource {
    return {
      label: source.label,
      read: async (target) => {
        if (!this.#isDecided) await this.#decide(source);
        return (this.#session?.source ?? source).read(target);
      },
      patience: (milliseconds) => {
        if (this.#session === undefined) source.patience?.(milliseconds);
      },
      close: () => (this.#session?.source ?? source).close(),
    };
  }

  #makeSink(sink: ByteSink): ByteSink {
    const current = (): ByteSink => this.#session?.sink ?? sink;
    const isHeard = (): boolean => this.#session !== undefined;
    return {
      label: sink.label,
      get tellsHeard() {
        return isHeard();
      },
      write: (bytes) => this.#inTurn(() => current().write(bytes)),
      ...(sink.writeNow === undefined
        ? {}
        : { writeNow: (bytes) => this.#inTurn(() => (current().writeNow ?? current().write)(bytes)) }),
      queued: () => current().queued(),
      patience: (milliseconds) => current().patience?.(milliseconds),
      finish: (total) => this.#inTurn(() => current().finish(total)),
      abort: () => current().abort(),
    };
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#writes.then(act);
    this.#writes = mine.catch(() => undefined);
    return mine;
  }

  async #decide(source: ByteSource): Promise<void> {
    const first = await readFirstBytes(source, CONVERSATION_MAGIC, this.#turns);
    if (first.equals(CONVERSATION_MAGIC)) await this.#open(source);
    else this.#turns.plain(first);
    this.#isDecided = true;
  }

  async #open(source: ByteSource): Promise<void> {
    const reader = new ExactReader(source);
    const session = this.#turns.session(await readWholeOpening(reader, source.label, this.#turns));
    await this.#inTurn(async () => {
      await this.#channel
        .sink!.write(opened())
        .catch((thrown: unknown) => session.fail(toRamferryError(thrown)));
      this.#session = session;
      session.start(new PacketConnection(this.#channel, reader));
      this.#turns.onOpen(session);
    });
  }
}
