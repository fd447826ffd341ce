// `Session`: one transfer's conversation over one connection after another, or over several at the same time. The code above it sees one
// link, as a source and a sink. When a connection breaks, what was not acknowledged is sent again over another one, and the link above only
// pauses.

import type { Buffer } from 'node:buffer';
import type { RamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import type { ByteSink, ByteSource, Channel } from '../../io/bytes.js';
import { abortError, closedError } from '../../io/system-error.js';
import type { BreakCount } from './breaks.js';
import { Exchange } from './exchange.js';
import { abandon, closeInOrder, gaveUp, within } from './farewell.js';
import { Mender } from './mender.js';
import { GUEST_STANDS_MS } from './packet.js';
import type { PacketConnection } from './packet-connection.js';
import type { Reconnection } from './reconnection.js';
import type { Several } from './several.js';

/** Most silence on a connection that can be replaced. Ten keep-alives are missing then. */
const MOST_SILENCE_MS = 5_000;
/** Least silence, however short the limit is: three keep-alives. */
const LEAST_SILENCE_MS = 1_500;
/** Most time for the last acknowledgements of a side that has everything. */
const CONCLUDE_MS = 2_000;
/** How long a side that has said its outcome waits for the other to hear it. */
export const OUTCOME_MS = 60_000;
/** What comes on connections that still live, when the link is lost or the sender asks for the outcome on another one, comes so soon. */
const LAST_WORDS_MS = 1_000;

export interface SessionOptions {
  /** The link in messages. */
  readonly label: string;
  /** The transfer's id. */
  readonly id: Buffer;
  readonly reconnection: Reconnection;
  /** Milliseconds that a broken link may take to come back. May fall while the transfer runs. */
  readonly limit: () => number;
  /** The limit that the other side has named. */
  readonly peerLimit: number;
  /** Milliseconds without a byte after which a connection counts as dead; 0 = never. */
  readonly ioTimeout: number;
  /** Bytes that may be kept until the other side acknowledges them. */
  readonly keep: number;
  /** Most bytes that are read before this side's reader has asked for them. */
  readonly readAhead: number;
  /** Several connections at the same time. Default: one. */
  readonly several?: Several | undefined;
  /** The last bytes of this side are its outcome: `finish` waits until the other side has them. */
  readonly hasOutcome: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Counts the breaks. */
  readonly count?: BreakCount | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

export class Session implements Channel {
  readonly duplex = true;
  readonly source: ByteSource;
  readonly sink: ByteSink;
  readonly #options: SessionOptions;
  readonly #exchange: Exchange;
  readonly #mender: Mender;
  readonly #forget: () => void;
  #sourceClosed = false;
  #concluding: Promise<void> | undefined;
  #failure: RamferryError | undefined;
  #over = false;
  #peerLimit: number;
  /** A sender's, when a break ended the session: they hear whether it gives up, or asks. */
  #lastLiving: PacketConnection[] = [];
  #hasGivenUp = false;
  #broken: RamferryError | undefined;
  #isLeft = false;
  #wasHeard = false;

  constructor(options: SessionOptions) {
    const { label, id, keep, readAhead, several, limit, signal, reconnection, onWarning, count } = options;
    this.#options = options;
    this.#peerLimit = options.peerLimit;
    this.#exchange = new Exchange({
      keep,
      readAhead,
      several,
      limit,
      silence: () => this.#silence,
      onLimit: (milliseconds) => (this.#peerLimit = milliseconds),
      onBroken: (reason, number) => this.#mender.broken(reason, number),
      onAbort: () => {
        this.#hasGivenUp = true;
        this.fail(this.#broken ?? gaveUp(label));
      },
    });
    this.source = this.#makeSource();
    this.sink = this.#makeSink();
    this.#forget = onAbort(signal, () => void this.#giveUp(abortError(signal!)));
    this.#mender = new Mender({
      ...{ label, id, exchange: this.#exchange, reconnection, onWarning, count },
      connections: several?.connections ?? 1,
      ownLimit: limit,
      limit: () => this.#limit,
      isOver: () => this.#over,
      onFailure: (reason) => this.#break(reason),
    });
  }

  /** The other side has said that it gives up, and will not ask. */
  get hasGivenUp(): boolean {
    return this.#hasGivenUp;
  }

  /** The link has broken for good. */
  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /** A byte of the stream's final part may have come. Where the packets do not tell, that is assumed. */
  get isFinal(): boolean {
    return this.#exchange.arrived.ended || this.#peerLimit <= GUEST_STANDS_MS;
  }

  /** @returns whether the other side has this side's outcome, once `finish` has settled */
  readonly heard = (): Promise<boolean> => Promise.resolve(this.#wasHeard);

  /** Begins on the first connection. @param before resolves when packets follow */
  start(connection: PacketConnection, before?: Promise<void>): void {
    this.#exchange.start(connection, before);
  }

  /**
   * Makes the connections besides the first, or waits for them. Ends the session when they do not come.
   * @param patience milliseconds; 0 = without a limit
   * @throws ERR_LINK_CONNECT, ERR_LINK_TIMEOUT, or the session's failure
   */
  async joinAll(patience: number): Promise<void> {
    try {
      await this.#mender.joinAll(patience);
    } catch (thrown) {
      await this.#giveUp(thrown as RamferryError);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Gives the reader bytes that stand before the first packet. */
  preface(bytes: Buffer): void {
    this.#exchange.arrived.preface(bytes);
    this.#exchange.changed.notify();
  }

  /** Ends both directions with this error. */
  fail(reason: RamferryError): void {
    for (const connection of this.#end(reason)) connection.destroy();
  }

  /** The sender leaves these connections and asks for the outcome on another one. What they still have must come soon. */
  leave(): void {
    for (const connection of this.#lastLiving.splice(0)) connection.destroy();
    if (this.#over) return;
    this.#isLeft = true;
    if (this.#options.hasOutcome && this.#exchange.living > 0) this.#exchange.setSilence(LAST_WORDS_MS);
    else this.fail((this.#broken ??= closedError(this.#options.label)));
  }

  /** Bytes of packets that are kept until they are acknowledged. */
  get held(): number {
    return this.#exchange.sent.held;
  }

  /** Several connections: bytes of the window in use by packets that have arrived. */
  get waiting(): number {
    return this.#exchange.arrived.charged;
  }

  get #limit(): number {
    const { limit, hasOutcome, reconnection } = this.#options;
    if (limit() === 0 || this.#peerLimit === 0 || this.#isLeft) return 0;
    // A receiver that connects tells its outcome on another connection when this time is over.
    const waits = hasOutcome && reconnection.attempt === undefined && this.#exchange.sent.ended;
    if (waits) return Math.max(OUTCOME_MS, limit());
    return Math.min(limit(), this.#peerLimit);
  }

  get #silence(): number {
    const { ioTimeout } = this.#options;
    if (this.#isLeft) return LAST_WORDS_MS;
    if (this.#limit === 0) return ioTimeout;
    const most = Math.max(LEAST_SILENCE_MS, Math.min(MOST_SILENCE_MS, this.#limit / 2));
    return ioTimeout === 0 ? most : Math.min(ioTimeout, most);
  }

  #makeSource(): ByteSource {
    return {
      label: this.#options.label,
      read: (target) => this.#read(target),
      close: () => this.#closeSource(),
    };
  }

  #makeSink(): ByteSink {
    const { label, hasOutcome } = this.#options;
    return {
      label,
      write: (bytes) => this.#write(bytes),
      queued: () => this.#exchange.queued(),
      ...(hasOutcome ? { tellsHeard: true } : {}),
      finish: () => this.#finish(),
      abort: () => this.#giveUp(closedError(label)),
    };
  }

  async #read(target: Uint8Array): Promise<number> {
    const { arrived, changed } = this.#exchange;
    for (;;) {
      const got = arrived.take(target);
      if (got > 0) {
        this.#exchange.took();
        return got;
      }
      if (this.#sourceClosed) throw closedError(this.#options.label);
      if (arrived.ended || target.length === 0) return 0;
      if (this.#failure !== undefined) throw this.#failure;
      await changed.wait();
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const { sent } = this.#exchange;
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + sent.payload);
      await this.#until(() => sent.hasRoom(piece.length));
      this.#exchange.send(piece);
      at += piece.length;
    }
    // All but one of several connections may be slow: a packet that waits for one of them holds up no other.
    await this.#until(() => sent.unwritten < Math.max(1, this.#exchange.living));
  }

  async #finish(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { sent } = this.#exchange;
    this.#exchange.endSending();
    if (!this.#options.hasOutcome) return;
    await this.#until(() => sent.acknowledged >= sent.position);
    this.#wasHeard = true;
  }

  /** @throws the session's failure */
  async #until(condition: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (condition()) return;
      await this.#exchange.changed.wait();
    }
  }

  async #closeSource(): Promise<void> {
    this.#sourceClosed = true;
    this.#exchange.arrived.drop();
    this.#exchange.took(true);
    if (this.#exchange.sent.ended && !this.#over) await (this.#concluding ??= this.#conclude());
  }

  /** Both directions have ended here: the other side still has to hear so. Never rejects. */
  async #conclude(): Promise<void> {
    const heard = this.#until(() => this.#exchange.isComplete);
    const isHeard = await within(CONCLUDE_MS, heard);
    const connections = this.#end(closedError(this.#options.label));
    // Of several, the other side may see the end of one before it reads the others.
    const lastWord = this.#options.several && this.#exchange.acknowledgement();
    if (isHeard) await Promise.all(connections.map((each) => closeInOrder(each, lastWord)));
    // A sender that closes without the result has given up: the receiver must not keep it.
    else if (!this.#options.hasOutcome) await Promise.all(connections.map(abandon));
    else for (const each of connections) each.destroy();
  }

  /** The link has broken for good. Connections of several that still live get a last word. */
  #break(reason: RamferryError): void {
    if (this.#over) return;
    this.#broken ??= reason;
    if (!this.#options.hasOutcome) this.#lastLiving = this.#end(reason);
    else if (this.#exchange.living === 0) this.fail(this.#broken);
    else if (!this.#isLeft) setTimeout(() => this.fail(reason), LAST_WORDS_MS);
    this.#isLeft = true;
  }

  /** Ends everything, and tells the other side that it must not wait. Never rejects. */
  async #giveUp(reason: RamferryError): Promise<void> {
    const connections = [...this.#end(reason), ...this.#lastLiving.splice(0)];
    await Promise.all(connections.map(abandon));
  }

  /** @returns the living connections, if this call has ended the session; the caller must close them */
  #end(reason: RamferryError): PacketConnection[] {
    if (this.#over) return [];
    this.#over = true;
    this.#failure ??= reason;
    this.#forget();
    this.#options.reconnection.close();
    return this.#exchange.end();
  }
}
