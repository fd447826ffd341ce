// A connection under TLS as source and sink. Like a plain one (../socket.ts), it delivers what came before a failure, ends its
// directions one after the other, and counts as dead after a time without progress while a call is pending.

import type { TLSSocket } from 'node:tls';

import { RamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { abortError, closedError, readError, writeError } from '../../io/system-error.js';
import { libc } from '../../os/libc.js';
import { Signal } from '../../os/signal.js';
import { MIB } from '../../units.js';
import { handleOf, unacceptedBelow } from '../handle.js';
import { waitTaken } from '../listen/taken.js';
import type { PeerLink } from '../peer-link.js';
import { LINGER_MS } from '../socket.js';
import { stalledError, Watchdog } from '../watchdog.js';

/** Bytes that may be decrypted before they are asked for. Beyond it the kernel's buffer fills, and the sender waits. */
const MOST_WAITING = MIB;
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
  readonly #changed = new Signal();
  readonly #forget: () => void;
  readonly #readWatchdog: Watchdog;
  readonly #writeWatchdog: Watchdog;
  /** Decrypted bytes that no read has asked for yet, in order. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
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
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
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
    this.#waitingBytes += bytes.length;
  }

  /** Aborts both directions: pending and later calls reject with `reason`. */
  fail(reason: RamferryError): void {
    this.#failure ??= reason;
    this.#drop();
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

  async #read(target: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#waitingBytes > 0) return this.#take(target);
      if (this.#closedSource) throw closedError(this.#label);
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended || target.length === 0) return 0;
      this.#readWatchdog.start();
      this.#socket.resume();
      await this.#changed.wait();
      this.#readWatchdog.stop();
    }
  }

  #take(target: Uint8Array): number {
    let done = 0;
    while (done < target.length && this.#waiting.length > 0) {
      const first = this.#waiting[0]!;
      const part = first.subarray(0, target.length - done);
      target.set(part, done);
      done += part.length;
      if (part.length === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(part.length);
    }
    this.#waitingBytes -= done;
    if (this.#waitingBytes < MOST_WAITING && !this.#ended) this.#socket.resume();
    return done;
  }

  #onData(bytes: Buffer): void {
    this.#received += bytes.length;
    if (this.#closedSource) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= MOST_WAITING) this.#socket.pause();
    this.#changed.notify();
  }

  #onEnd(): void {
    this.#ended = true;
    this.#changed.notify();
    if (this.#closedSource && this.#finished) this.fail(closedError(this.#label));
  }

  /** What still comes is read and dropped: closing a connection with unread bytes resets it. */
  #closeSource(): Promise<void> {
    this.#closedSource = true;
    this.#drop();
    this.#readWatchdog.close();
    this.#changed.notify();
    if (this.#failure === undefined) this.#socket.resume();
    if (this.#finished) this.#linger();
    return Promise.resolve();
  }

  #drop(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
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
    this.#changed.notify();
  }
}
