// A connection, or one end of a pipe whose file description no other process shares, as source and sink.
// Reads are exact (socket-reading.ts). Writes pass the caller's memory on without a copy. The two directions end one after the
// other, or both at once. Independent of how the connection was made.

import net from 'node:net';
import { RamferryError } from '../errors.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { onAbort } from '../io/abort-signal.js';
import { libc } from '../os/libc.js';
import { abortError, closedError, readError, writeError } from '../io/system-error.js';
import { handleOf, stopReading, type StreamHandle } from './handle.js';
import { PipeRoom } from './pipe-room.js';
import { SocketReading } from './socket-reading.js';
import { waitTaken } from './listen/taken.js';
import { stalledError, Watchdog } from './watchdog.js';

/** After both directions have ended: how long the peer's remaining bytes are read, so that the peer sees no reset. */
export const LINGER_MS = 2_000;

export interface SocketLinkOptions {
  readonly label: string;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Whether the link is a pipe and not a socket. */
  readonly pipe?: boolean;
  /** An output pipe: see OpenOptions.pipeRoom. */
  readonly pipeRoom?: number | undefined;
  /** Milliseconds without progress; 0 = wait for ever. */
  readonly ioTimeout: number;
  readonly signal?: AbortSignal | undefined;
}

type SocketOptions = net.SocketConstructorOpts & { handle?: StreamHandle };

export class SocketLink implements Channel {
  readonly duplex: boolean;
  readonly source: ByteSource | undefined;
  readonly sink: ByteSink | undefined;
  readonly #options: SocketLinkOptions;
  readonly #socket: net.Socket;
  readonly #reading: SocketReading;
  readonly #writeWatchdog: Watchdog;
  readonly #room: PipeRoom | undefined;
  #failure: RamferryError | undefined;
  #pendingWrite: ((reason: RamferryError) => void) | undefined;
  #sent = 0;
  #finished = false;
  /** The kernel has accepted all written bytes and the end of this direction. */
  #shut = false;
  readonly #forget: () => void;

  /** @param connect creates the socket with the given options, which set how the socket reads */
  constructor(options: SocketLinkOptions, connect: (how: SocketOptions) => net.Socket) {
    this.#options = options;
    this.duplex = options.readable && options.writable;
    const { pipe, pipeRoom } = options;
    this.#room = pipe === true && pipeRoom !== undefined ? new PipeRoom(pipeRoom) : undefined;
    this.#reading = new SocketReading({
      label: options.label,
      pipe: options.pipe === true,
      ioTimeout: options.ioTimeout,
      handle: () => this.#handle,
      failure: () => this.#failure,
      onStall: (ms) => this.#stalled('no byte came from', ms),
    });
    this.#writeWatchdog = new Watchdog(
      options.ioTimeout,
      () => this.#sent - (this.#handle?.writeQueueSize ?? 0) - this.#queued(),
      (ms) => this.#stalled('no byte was taken by', ms),
    );
    this.#socket = connect({
      allowHalfOpen: true,
      readable: options.readable,
      writable: options.writable,
      onread: {
        buffer: this.#reading.wakeUpByte,
        callback: (count: number) => this.#reading.onWakeUp(count),
      },
    } as SocketOptions);
    // Node starts to read at once, before the first call of read().
    const handle = this.#handle;
    if (handle !== undefined && !this.#socket.connecting) stopReading(handle);
    this.#socket.on('error', (thrown) => this.#onError(thrown));
    this.#socket.on('end', () => this.#onEnd());
    this.#socket.on('close', () => this.#onClose());
    this.source = options.readable ? this.#makeSource() : undefined;
    this.sink = options.writable ? this.#makeSink() : undefined;
    const { signal } = options;
    this.#forget = onAbort(signal, () => this.fail(abortError(signal!)));
  }

  get socket(): net.Socket {
    return this.#socket;
  }

  get fd(): number | undefined {
    return this.#handle?.fd;
  }

  /** Puts back bytes that were read from the source. The next reads return them first. */
  unread(bytes: Uint8Array): void {
    this.#reading.unread(bytes);
  }

  /** Aborts both directions: pending and later calls reject with `reason`. */
  fail(reason: RamferryError): void {
    this.#failure ??= reason;
    this.#reading.dropBuffered();
    this.#socket.destroy();
    this.#endBoth();
  }

  get #handle(): StreamHandle | undefined {
    return handleOf(this.#socket);
  }

  #makeSource(): ByteSource {
    return {
      label: this.#options.label,
      read: (target) => this.#reading.read(target),
      patience: (milliseconds) => this.#reading.setPatience(milliseconds),
      close: () => this.#closeSource(),
    };
  }

  #makeSink(): ByteSink {
    return {
      label: this.#options.label,
      write: (bytes) => this.#write(bytes),
      queued: () => this.#queued(),
      ...(this.#options.pipe === true ? { unread: () => this.#unread() } : {}),
      patience: (milliseconds) => this.#writeWatchdog.setPatience(milliseconds),
      taken: () => this.#taken(),
      finish: () => this.#finish(),
      abort: () => {
        this.fail(closedError(this.#options.label));
        return Promise.resolve();
      },
    };
  }

  #onEnd(): void {
    this.#reading.onEnd();
    if (this.#reading.discarding && this.#shut) this.#destroy();
  }

  #closeSource(): Promise<void> {
    this.#reading.close(closedError(this.#options.label));
    if (this.sink === undefined) this.#destroy();
    else if (!this.#reading.discarding) {
      // The writing direction continues.
      this.#reading.discard();
      if (this.#shut) this.#linger();
    }
    return Promise.resolve();
  }

  // Writing

  #write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#pendingWrite !== undefined || this.#finished) {
      return Promise.reject(new RamferryError('ERR_INTERNAL', 'a write after the end or during another'));
    }
    if (bytes.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#pendingWrite = reject;
      this.#sent += bytes.length;
      const handle = this.#handle;
      if (handle !== undefined) this.#room?.moved(handle.fd, bytes.length);
      this.#socket.write(bytes, (thrown) => {
        if (this.#pendingWrite !== reject) return;
        this.#pendingWrite = undefined;
        this.#writeWatchdog.stop();
        if (!thrown) resolve();
        else {
          if (this.source !== undefined) this.#reading.keepUnreadBytes();
          reject(this.#failure ?? this.#writeError(thrown));
        }
      });
      this.#writeWatchdog.start();
    });
  }

  #writeError(thrown: unknown): RamferryError {
    return writeError(this.#options.label, thrown, 'ERR_LINK_CLOSED');
  }

  #queued(): number {
    const handle = this.#handle;
    const calls = handle === undefined ? undefined : libc();
    if (handle === undefined || calls === undefined) return 0;
    return this.#options.pipe === true ? calls.unread(handle.fd) : calls.unsent(handle.fd);
  }

  #unread(): number | undefined {
    const handle = this.#handle;
    return handle === undefined ? undefined : handle.writeQueueSize + this.#queued();
  }

  async #taken(): Promise<void> {
    const { label } = this.#options;
    const link = {
      label,
      fd: () => this.#handle?.fd,
      queued: () => this.#queued(),
      failure: () => this.#failure,
      ended: () => this.source === undefined || this.#reading.ended,
    };
    this.#writeWatchdog.start();
    await waitTaken(link).finally(() => this.#writeWatchdog.stop());
  }

  #finish(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#pendingWrite = reject;
      this.#finished = true;
      this.#writeWatchdog.start();
      this.#socket.end(() => {
        if (this.#pendingWrite !== reject) return;
        this.#pendingWrite = undefined;
        this.#shut = true;
        this.#writeWatchdog.stop();
        if (this.#socket.errored) reject(this.#failure ?? this.#writeError(this.#socket.errored));
        else resolve();
        if (this.source === undefined) this.#destroy();
        else if (this.#reading.discarding) this.#linger();
      });
    });
  }

  /** Both directions have ended on this side: waits up to LINGER_MS for the peer's end, then closes the socket. */
  #linger(): void {
    if (this.#reading.ended) this.#destroy();
    else setTimeout(() => this.#destroy(), LINGER_MS).unref();
  }

  // Ends

  #destroy(): void {
    this.fail(closedError(this.#options.label));
  }

  #stalled(what: string, milliseconds: number): void {
    this.fail(stalledError(`${what} ${this.#options.label}`, milliseconds));
  }

  #onError(thrown: unknown): void {
    this.#reading.failWith(readError(this.#options.label, thrown, 'ERR_LINK_CLOSED'));
    this.#failure ??= this.#writeError(thrown);
    this.#rejectPending();
  }

  #onClose(): void {
    this.#failure ??= closedError(this.#options.label);
    this.#endBoth();
  }

  /** Rejects pending calls and stops the watchdogs of both directions. */
  #endBoth(): void {
    this.#rejectPending();
    this.#reading.end();
    this.#writeWatchdog.close();
    this.#forget();
  }

  #rejectPending(): void {
    const reason = this.#failure!;
    const write = this.#pendingWrite;
    this.#pendingWrite = undefined;
    this.#reading.rejectPending(reason);
    write?.(reason);
  }
}

/** Takes over a descriptor of a pipe, FIFO or socket. No other process may share its description: it becomes non-blocking. */
export function socketLinkOfDescriptor(fd: number, options: SocketLinkOptions): SocketLink {
  return new SocketLink(options, (how) => new net.Socket({ ...how, fd }));
}

/** Takes over the handle of a connection that Node has made. */
export function socketLinkOfHandle(handle: StreamHandle, options: SocketLinkOptions): SocketLink {
  return new SocketLink(options, (how) => new net.Socket({ ...how, handle } as SocketOptions));
}
