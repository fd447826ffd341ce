// A connection under TLS as source and sink. Like a plain one (../socket.ts), it delivers what came before a failure, ends its
// directions one after the other, and counts as dead after a time without progress while a call is pending.

import type { TLSSocket } from 'node:tls';

import { RamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { abortError, closedError, readError, writeError } from '../../io/system-error.js';
import { libc } from '../../os/libc.js';
import { KIB } from '../../units.js';
import { handleOf, readInto, unacceptedBelow } from '../handle.js';
import { waitTaken } from '../listen/taken.js';
import type { PeerLink } from '../peer-link.js';
import { LINGER_MS } from '../socket.js';
import { stalledError, Watchdog } from '../watchdog.js';
import { DecryptedBytes } from './decrypted.js';

/** Bytes that may be decrypted before they are asked for. Beyond it the kernel's buffer fills, and the sender waits. */
const MOST_WAITING = 256 * KIB;
/** Node hands over each record by itself, and none has more bytes. */
const RECORD_BYTES = 16 * KIB;

interface PendingRead {
  readonly target: Uint8Array;
  /** Bytes of the target that have come. */
  done: number;
  readonly resolve: (count: number) => void;
  readonly reject: (reason: RamferryError) => void;
}

export interface TlsLinkOptions {
  readonly label: string;
  /** Milliseconds without progress; 0 = wait for ever. */
  readonly ioTimeout: number;
  readonly signal?: AbortSignal | undefined;
  /** See {@link TlsLink.provenName}. */
  readonly provenName?: string | undefined;
}

export class TlsLink implements PeerLink {
  readonly duplex = true;
  readonly source: ByteSource;
  readonly sink: ByteSink;
  /** Of the other side's certificate (RFC 4514), or its pre-shared identity; undefined where it has shown none. */
  readonly provenName: string | undefined;
  readonly #label: string;
  readonly #socket: TLSSocket;
  readonly #forget: () => void;
  readonly #readWatchdog: Watchdog;
  readonly #writeWatchdog: Watchdog;
  /** Bytes that no read has asked for yet. */
  readonly #waiting = new DecryptedBytes();
  #pending: PendingRead | undefined;
  #settling: NodeJS.Immediate | undefined;
  #received = 0;
  #sent = 0;
  #ended = false;
  #closedSource = false;
  #finished = false;
  #failure: RamferryError | undefined;
  #rejectWrite: ((reason: RamferryError) => void) | undefined;

  /** @param socket after its handshake, paused since then */
  constructor(socket: TLSSocket, { label, ioTimeout, signal, provenName }: TlsLinkOptions) {
    this.provenName = provenName;
    this.#label = label;
    this.#socket = socket;
    const stalled = (what: string) => (ms: number) => this.fail(stalledError(`${what} ${label}`, ms));
    this.#readWatchdog = new Watchdog(ioTimeout, () => this.#received, stalled('no byte came from'));
    this.#writeWatchdog = new Watchdog(ioTimeout, () => this.#progress(), stalled('no byte was taken by'));
    this.#startReading();
    socket.on('end', () => this.#onEnd());
    socket.on('error', (thrown) => this.#onError(thrown));
    socket.on('close', () => this.#onClose());
    socket.pause();
    this.source = this.#makeSource();
    this.sink = this.#makeSink();
    this.#forget = onAbort(signal, () => this.fail(abortError(signal!)));
  }

  /** Descriptor of the connection below; its queue counts encrypted bytes. */
  get fd(): number | undefined {
    return handleOf(this.#socket)?.fd;
  }

  get socket(): TLSSocket {
    return this.#socket;
  }

  /** Puts back bytes that were read from the source. The next reads return them first. */
  unread(bytes: Uint8Array): void {
    this.#waiting.unshift(bytes);
  }

  /** Aborts both directions: pending and later calls reject with `reason`. */
  fail(reason: RamferryError): void {
    this.#failure ??= reason;
    this.#waiting.clear();
    this.#socket.destroy();
    this.#endBoth();
  }

  #makeSource(): ByteSource {
    return {
      label: this.#label,
      read: (target) => this.#read(target),
      patience: (milliseconds) => this.#readWatchdog.setPatience(milliseconds),
      close: () => this.#closeSource(),
    };
  }

  #makeSink(): ByteSink {
    return {
      label: this.#label,
      write: (bytes) => this.#write(bytes),
      queued: () => this.#queued(),
      patience: (milliseconds) => this.#writeWatchdog.setPatience(milliseconds),
      taken: () => this.#taken(),
      finish: () => this.#finish(),
      abort: () => {
        this.fail(closedError(this.#label));
        return Promise.resolve();
      },
    };
  }

  // Reading

  #startReading(): void {
    const socket = this.#socket;
    // What came together with the end of the handshake.
    for (let early: unknown; (early = socket.read()) !== null;) this.#onData(early as Uint8Array);
    const record = new Uint8Array(RECORD_BYTES);
    const isInto = readInto(socket, record, (count) => this.#onData(record.subarray(0, count)));
    if (!isInto) socket.on('data', (bytes: Buffer) => this.#onData(bytes));
  }

  #read(target: Uint8Array): Promise<number> {
    const { length } = this.#waiting;
    if (length > 0) {
      const count = this.#waiting.take(target);
      if (length >= MOST_WAITING && this.#waiting.length < MOST_WAITING && !this.#ended)
        this.#socket.resume();
      return Promise.resolve(count);
    }
    if (this.#closedSource) return Promise.reject(closedError(this.#label));
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ended || target.length === 0) return Promise.resolve(0);
    return new Promise((resolve, reject) => {
      this.#pending = { target, done: 0, resolve, reject };
      this.#readWatchdog.start();
      this.#socket.resume();
    });
  }

  #onData(bytes: Uint8Array): void {
    this.#received += bytes.length;
    if (this.#closedSource) return;
    const pending = this.#pending;
    let rest = bytes;
    if (pending !== undefined) {
      const part = bytes.subarray(0, pending.target.length - pending.done);
      pending.target.set(part, pending.done);
      pending.done += part.length;
      rest = bytes.subarray(part.length);
      if (pending.done === pending.target.length) this.#settle();
      // Several records come one after the other: one read takes them all.
      else this.#settling ??= setImmediate(() => this.#settle());
    }
    if (rest.length === 0) return;
    this.#waiting.append(rest);
    if (this.#waiting.length >= MOST_WAITING) this.#socket.pause();
  }

  /** Ends the pending read: with the bytes that have come, or with what ended the link. */
  #settle(): void {
    if (this.#settling !== undefined) clearImmediate(this.#settling);
    this.#settling = undefined;
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    this.#readWatchdog.stop();
    if (pending.done > 0) pending.resolve(pending.done);
    else if (this.#closedSource) pending.reject(closedError(this.#label));
    else if (this.#failure !== undefined) pending.reject(this.#failure);
    else pending.resolve(0);
  }

  #onEnd(): void {
    this.#ended = true;
    this.#settle();
    if (this.#closedSource && this.#finished) this.fail(closedError(this.#label));
  }

  /** What still comes is read and dropped: closing a connection with unread bytes resets it. */
  #closeSource(): Promise<void> {
    this.#closedSource = true;
    this.#waiting.clear();
    this.#settle();
    this.#readWatchdog.close();
    if (this.#failure === undefined) this.#socket.resume();
    if (this.#finished) this.#linger();
    return Promise.resolve();
  }

  // Writing

  #write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (bytes.length === 0) return Promise.resolve();
    return this.#call((done) => {
      this.#sent += bytes.length;
      this.#socket.write(bytes, done);
    });
  }

  async #finish(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await this.#call((done) => this.#socket.end(done));
    this.#finished = true;
    if (this.#closedSource) this.#linger();
  }

  /** Runs one writing call. The link's failure ends it. */
  async #call(start: (done: (thrown?: Error | null) => void) => void): Promise<void> {
    this.#writeWatchdog.start();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#rejectWrite = reject;
        start((thrown) => {
          if (thrown) reject(this.#failure ?? writeError(this.#label, thrown, 'ERR_LINK_CLOSED'));
          else resolve();
        });
      });
    } finally {
      this.#rejectWrite = undefined;
      this.#writeWatchdog.stop();
    }
  }

  #progress(): number {
    return this.#sent - this.#socket.writableLength - this.#queued() - unacceptedBelow(this.#socket);
  }

  #queued(): number {
    const { fd } = this;
    return fd === undefined ? 0 : (libc()?.unsent(fd) ?? 0);
  }

  #taken(): Promise<void> {
    return waitTaken({
      label: this.#label,
      fd: () => this.fd,
      queued: () => this.#queued(),
      failure: () => this.#failure,
      ended: () => this.#ended,
    });
  }

  // Ends

  #linger(): void {
    if (this.#ended) this.fail(closedError(this.#label));
    else setTimeout(() => this.fail(closedError(this.#label)), LINGER_MS).unref();
  }

  #onError(thrown: unknown): void {
    this.#failure ??= readError(this.#label, thrown, 'ERR_LINK_CLOSED');
    this.#endBoth();
  }

  #onClose(): void {
    this.#failure ??= closedError(this.#label);
    this.#endBoth();
  }

  #endBoth(): void {
    this.#rejectWrite?.(this.#failure!);
    this.#readWatchdog.close();
    this.#writeWatchdog.close();
    this.#forget();
    this.#settle();
  }
}
