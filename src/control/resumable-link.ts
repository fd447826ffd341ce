// Conversation version 2 (docs/FORMAT.md): how the two sides agree on it, and how the link becomes one that survives a broken connection
// and has several. Where the other side does not offer it, the link stays what it is, and no byte differs.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import type { Channel } from '../io/bytes.js';
import { ExactReader } from '../io/exact-reader.js';
import { abortError } from '../io/system-error.js';
import { type Address, formatAddress } from '../link/address.js';
import { DEFAULT_CONNECT_TIMEOUT_MS, type Door, ioTimeoutOf, type OpenOptions } from '../link/options.js';
import type { PeerLink } from '../link/peer-link.js';
import type { BreakCount } from '../link/resume/breaks.js';
import { newId, type Opening, opening } from '../link/resume/joining.js';
import { PACKET } from '../link/resume/packet.js';
import { PacketConnection } from '../link/resume/packet-connection.js';
import { Caller, Doorway, type Reconnection } from '../link/resume/reconnection.js';
import { Session } from '../link/resume/session.js';
import { SENDER_WINDOW, type Several } from '../link/resume/several.js';
import { SharedDoor } from '../link/resume/shared-door.js';
import { MIB } from '../units.js';
import { wholeWithin } from '../link/watchdog.js';
import { Greeting } from './greeting.js';
import { MESSAGE_HEADER_BYTES, messageRest } from './messages.js';
import { CONVERSATION_VERSION, type Hello } from './negotiation.js';
import { ReceivingLink } from './receiving-link.js';
import { SendingLink } from './sending-link.js';

/** Bytes of the way back that a receiver keeps until they are acknowledged. */
export const KEPT_BACKWARD = MIB;
/** A sender reads the whole way back at once: acknowledgements stand among its bytes. It is no longer than what the receiver keeps. */
const SENDER_READ_AHEAD = 4 * MIB;

export interface ConversationOptions {
  readonly address: Address;
  /** With which the link is opened. */
  readonly opening: OpenOptions;
  /** Milliseconds that a broken link may take to come back. May fall while the transfer runs. */
  readonly limit: () => number;
  /** Bytes that a sender may keep until the receiver acknowledges them. */
  readonly keep: number;
  /** Connections that this side makes or takes; 1 to 64. Default 1. */
  readonly connections?: number;
  /** Counts the breaks. */
  readonly count?: BreakCount | undefined;
  /** Receiver: bytes that it holds of packets which its reader has not taken. Needed with several connections. */
  readonly window?: number;
  /** Called when a conversation of version 2 begins. `opening.onDoor` has been called where this side listens. */
  readonly onSession?: ((session: Session, id: Buffer, identity: string | undefined) => void) | undefined;
}

/** How two sides use the link together. */
interface Agreement extends Opening {
  /** Bytes of the receiver's window. */
  readonly window: number;
}

/** Opens a link whose connections a {@link Session} may replace. */
export class ResumableLink {
  readonly #options: ConversationOptions;
  /** Aborts the first connection until a session takes over: a session tells the other side before it closes. */
  readonly #abort = new AbortController();
  readonly #forget: () => void;
  #door: Door | undefined;
  #identity: string | undefined;
  /** A link whose conversation begins behind an introduction. */
  #introduced: SendingLink | undefined;

  constructor(options: ConversationOptions) {
    this.#options = options;
    const { signal } = options.opening;
    this.#forget = onAbort(signal, () => this.#abort.abort(abortError(signal!)));
  }

  /** The options with which the link must be opened. */
  get opening(): OpenOptions {
    return {
      ...this.#options.opening,
      signal: this.#abort.signal,
      onDoor: (door, identity) => {
        this.#door = door;
        this.#identity = identity;
      },
    };
  }

  /** The sender's side: reads the greeting and opens the conversation where the receiver offers it. */
  async asSender(channel: Channel): Promise<Channel> {
    const greeting = new Greeting(channel.source!);
    const what = `no whole greeting came from ${channel.source!.label}`;
    const hello = await wholeWithin(greeting.read(), ioTimeoutOf(this.#options.opening), what).catch(
      async (thrown: unknown) => {
        await channel.sink!.abort();
        throw thrown;
      },
    );
    const agreement = this.#agree(hello);
    if (agreement === undefined) return this.#plain(channel, greeting.bytes);
    if ((hello?.introductions ?? []).length > 0)
      return this.#behindIntroduction(channel, greeting.bytes, agreement);
    const { id, connections } = agreement;
    const session = this.#session(channel, agreement, false);
    session.preface(greeting.bytes);
    await channel
      .sink!.write(opening({ id, connections, limit: this.#options.limit() }))
      .catch(() => undefined);
    const reader = new ExactReader(channel.source!);
    const isOpened = untilOpened(reader, session);
    session.start(new PacketConnection(channel, reader), isOpened);
    // A break before this answer ends the transfer, so no byte of the stream leaves earlier. What fails here, the first read reports.
    const isOpen = await isOpened.then(
      () => true,
      () => false,
    );
    if (isOpen) await session.joinAll(this.#patience);
    return session;
  }

  /** A receiver of many guests hears first which one comes. It takes one connection for each. */
  #behindIntroduction(channel: Channel, seen: Buffer, agreement: Agreement): Channel {
    const { id } = agreement;
    this.#introduced = new SendingLink(channel, {
      seen,
      session: () => this.#session(channel, { ...agreement, connections: 1 }, false),
      opening: () => opening({ id, connections: 1, limit: this.#options.limit() }),
    });
    return this.#introduced;
  }

  /** Opens the conversation with a receiver that has begun with this transfer. Never rejects. */
  async begin(): Promise<void> {
    await this.#introduced?.open();
  }

  /** @returns undefined when the two sides need no conversation */
  #agree(hello: Hello | undefined): Agreement | undefined {
    const { limit, connections: ours = 1, opening: how } = this.#options;
    const offers = hello?.conversations?.includes(CONVERSATION_VERSION) === true ? hello : undefined;
    const theirs = offers?.window === undefined ? 1 : (offers.connections ?? 1);
    const connections = Math.min(ours, theirs);
    if (connections < ours) how.onWarning?.(fewerConnections(ours, connections));
    const heals = limit() > 0 && (offers?.reconnect ?? 0) > 0;
    if (!heals && connections === 1) return undefined;
    return { id: newId(), connections, limit: offers?.reconnect ?? 0, window: offers?.window ?? 0 };
  }

  /** Milliseconds that the connections besides the first may take. */
  get #patience(): number {
    const { address, opening: how } = this.#options;
    const connects = address.kind === 'tcp' || address.kind === 'unix';
    return connects ? (how.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_MS) : ioTimeoutOf(how);
  }

  /** The receiver's side: the first bytes of the sender decide. @param isAwaited they must come within the limit of silence */
  asReceiver(channel: Channel, isAwaited = false): Channel {
    return new ReceivingLink(channel, {
      isAwaited,
      ioTimeout: ioTimeoutOf(this.#options.opening),
      plain: (seen) => this.#plain(channel, seen),
      session: (said) => this.#receivingSession(channel, said),
      // What fails here, the session's reads report.
      onOpen: (session) => void session.joinAll(this.#patience).catch(() => undefined),
    });
  }

  /** @throws ERR_LINK_NEGOTIATION */
  #receivingSession(channel: Channel, said: Opening): Session {
    const { connections = 1, window = 0 } = this.#options;
    if (said.connections < 1 || said.connections > connections) {
      const text = `the sender opens a link of ${said.connections} connections, and this side takes ${connections}`;
      throw new RamferryError('ERR_LINK_NEGOTIATION', text);
    }
    return this.#session(channel, { ...said, window }, true);
  }

  /** The transfer has ended. Without effect where the sides have agreed: then a session or the opening's `onDoor` has the door. */
  close(): void {
    this.#door?.close();
    this.#door = undefined;
  }

  /** @param seen bytes that were read to learn how the other side speaks */
  #plain(channel: Channel, seen: Uint8Array): Channel {
    if (seen.length > 0) (channel as PeerLink).unread(seen);
    const { onDoor } = this.#options.opening;
    if (this.#door !== undefined) onDoor?.(this.#door, this.#identity);
    if (onDoor !== undefined) this.#door = undefined;
    this.close();
    if (this.#options.limit() > 0) {
      this.#options.opening.onWarning?.(
        'the other side does not mend a broken link: a break ends the transfer',
      );
    }
    return channel;
  }

  #session(channel: Channel, agreement: Agreement, hasOutcome: boolean): Session {
    const { id, limit: peerLimit, connections, window } = agreement;
    const { address, opening: how, limit, keep, count } = this.#options;
    const [ownWindow, peerWindow] = hasOutcome ? [window, SENDER_WINDOW] : [SENDER_WINDOW, window];
    const several: Several = { connections, spreads: !hasOutcome, window: ownWindow, peerWindow };
    this.#forget();
    const session = new Session({
      label: formatAddress(address),
      id,
      reconnection: this.#reconnection(channel),
      limit,
      peerLimit,
      ioTimeout: ioTimeoutOf(how),
      keep: hasOutcome ? KEPT_BACKWARD : keep,
      readAhead: hasOutcome ? 0 : SENDER_READ_AHEAD,
      several: connections === 1 ? undefined : several,
      hasOutcome,
      signal: how.signal,
      count,
      onWarning: how.onWarning,
    });
    this.#options.onSession?.(session, id, (channel as PeerLink).provenName);
    return session;
  }

  #reconnection(channel: Channel): Reconnection {
    const { address, opening: how } = this.#options;
    if (address.kind === 'tcp' || address.kind === 'unix') {
      const { provenName: identity } = channel as PeerLink;
      return new Caller(address, { ...how, signal: this.#abort.signal }, identity);
    }
    const shared = new SharedDoor(this.#door!);
    this.#door = undefined;
    const joins = shared.part();
    how.onDoor?.(shared.part(), this.#identity);
    return new Doorway(joins, this.#identity, how.onWarning);
  }
}

function fewerConnections(ours: number, agreed: number): string {
  return agreed === 1
    ? `the other side takes one connection, so ${ours} are not used; give it --connections ${ours}, too`
    : `the other side takes ${agreed} connections, so ${ours} are not used`;
}

/** Hands the control messages before the receiver's `opened` to the reader above. */
async function untilOpened(reader: ExactReader, session: Session): Promise<void> {
  for (;;) {
    const header = Buffer.alloc(MESSAGE_HEADER_BYTES);
    await reader.exactly(header);
    const rest = Buffer.alloc(messageRest(header));
    await reader.exactly(rest);
    if (header.readUInt32LE(0) === PACKET.opened) return;
    session.preface(Buffer.concat([header, rest]));
  }
}
