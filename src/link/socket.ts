// A connection, or one end of a pipe whose file description is ours alone, as source and sink.
// Reads go from the kernel straight into the caller's memory and never take a byte more than was asked for; writes
// hand over the caller's memory uncopied. Knows nothing of how the connection came about.
//
// How reading works: Node offers data only in a buffer fixed beforehand. That buffer has one byte here. It serves as
// the sign that something came; its byte goes to the front of the caller's memory and read(2) fills the rest.
// Measured over a unix socket with 1 MiB reads: as fast as a large buffer, without its copy, and exact.
import fs from 'node:fs';
import net from 'node:net';
import { RamferryError } from '../errors.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { libc } from '../io/libc.js';
import { abortError, closedError, readError, systemCode, writeError } from '../io/system-error.js';
import { handleOf, startReading, stopReading, type StreamHandle } from './handle.js';
import { Watchdog } from './watchdog.js';

/** So many reads in a row without waiting; then everybody else on this thread has a turn. */
const READS_IN_A_ROW = 8;
/** What the peer said before it hung up is kept up to this size. */
const LAST_WORDS = 65_536;
/** After both sides are done: how long what the peer still sends is taken, so that it does not see a reset. */
const LINGER_MS = 2_000;

export interface SocketLinkOptions {
  readonly label: string;
  readonly readable: boolean;
  readonly writable: boolean;
  /** A pipe rather than a socket. */
  readonly pipe?: boolean;
  /** Milliseconds without progress; 0 = wait for ever. */
  readonly ioTimeout: number;
  readonly signal?: AbortSignal | undefined;
}

interface PendingRead {
  readonly target: Uint8Array;
  readonly resolve: (count: number) => void;
  readonly reject: (reason: RamferryError) => void;
}

type SocketOptions = net.SocketConstructorOpts & { handle?: StreamHandle };

export class SocketLink implements Channel {
  readonly duplex: boolean;
  readonly source: ByteSource | undefined;
  readonly sink: ByteSink | undefined;
  readonly #options: SocketLinkOptions;
  readonly #socket: net.Socket;
  readonly #sign = new Uint8Array(1);
  readonly #readDog: Watchdog;
  readonly #writeDog: Watchdog;
  #failure: RamferryError | undefined;
  /** Why reading alone has ended: the caller closed it, or the peer failed it. */
  #readFailure: RamferryError | undefined;
  #pendingRead: PendingRead | undefined;
  #pendingWrite: ((reason: RamferryError) => void) | undefined;
  /** Bytes that were read before anybody asked: the sign, or the last words. */
  #early: Uint8Array = new Uint8Array(0);
  #ended = false;
  /** The last read took everything there was: ask the event loop before trying again. */
  #empty = true;
  #inARow = 0;
  #received = 0;
  #sent = 0;
  #discarding = false;
  #finished = false;
  /** What was written is with the kernel, and so is its end. */
  #shut = false;
  #unsubscribe: () => void = () => undefined;

  /** @param connect makes the socket with the options given to it (they say how it reads). */
  constructor(options: SocketLinkOptions, connect: (how: SocketOptions) => net.Socket) {
    this.#options = options;
    this.duplex = options.readable && options.writable;
    this.#readDog = new Watchdog(
      options.ioTimeout,
      () => this.#received,
      (ms) => this.#stalled('no byte came from', ms),
    );
    this.#writeDog = new Watchdog(
      options.ioTimeout,
      () => this.#sent - (this.#handle?.writeQueueSize ?? 0) - this.#queued(),
      (ms) => this.#stalled('no byte was taken by', ms),
    );
    this.#socket = connect({
      allowHalfOpen: true,
      readable: options.readable,
      writable: options.writable,
      onread: { buffer: this.#sign, callback: (count: number) => this.#onSign(count) },
    } as SocketOptions);
    // Node begins to read at once; nobody has asked for anything yet.
    const handle = this.#handle;
    if (handle !== undefined && !this.#socket.connecting) stopReading(handle);
    this.#socket.on('error', (thrown) => this.#onError(thrown));
    this.#socket.on('end', () => this.#onEnd());
    this.#socket.on('close', () => this.#onClose());
    this.source = options.readable ? this.#makeSource() : undefined;
    this.sink = options.writable ? this.#makeSink() : undefined;
    this.#listenTo(options.signal);
  }

  get socket(): net.Socket {
    return this.#socket;
  }

  get fd(): number | undefined {
    return this.#handle?.fd;
  }

  /** Gives up in both directions: pending calls and later ones reject with `reason`. */
  fail(reason: RamferryError): void {
    this.#failure ??= reason;
    this.#early = new Uint8Array(0);
    this.#socket.destroy();
    this.#rejectPending();
    this.#readDog.close();
    this.#writeDog.close();
    this.#unsubscribe();
  }

  get #handle(): StreamHandle | undefined {
    return handleOf(this.#socket);
  }

  #listenTo(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const onAbort = (): void => this.fail(abortError(signal));
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener('abort', onAbort, { once: true });
      this.#unsubscribe = () => signal.removeEventListener('abort', onAbort);
    }
  }

  #makeSource(): ByteSource {
    return {
      label: this.#options.label,
      read: (target) => this.#read(target),
      patience: (milliseconds) => this.#readDog.setPatience(milliseconds),
      close: () => this.#closeSource(),
    };
  }

  #makeSink(): ByteSink {
    return {
      label: this.#options.label,
      write: (bytes) => this.#write(bytes),
      queued: () => this.#queued(),
      patience: (milliseconds) => this.#writeDog.setPatience(milliseconds),
      finish: () => this.#finish(),
      abort: () => {
        this.fail(closedError(this.#options.label));
        return Promise.resolve();
      },
    };
  }

  // Reading

  #read(target: Uint8Array): Promise<number> {
    if (target.length === 0) return Promise.resolve(0);
    if (this.#pendingRead !== undefined) {
      return Promise.reject(new RamferryError('ERR_INTERNAL', 'a second read while one is pending'));
    }
    let done = 0;
    if (this.#early.length > 0) {
      done = Math.min(this.#early.length, target.length);
      target.set(this.#early.subarray(0, done));
      this.#early = this.#early.subarray(done);
    }
    if (done === 0) {
      const failure = this.#failure ?? this.#readFailure;
      if (failure !== undefined) return Promise.reject(failure);
      if (this.#ended) return Promise.resolve(0);
    }
    const ready = this.#failure === undefined && !this.#empty && this.#inARow < READS_IN_A_ROW;
    if (ready && this.#early.length === 0) {
      this.#inARow += 1;
      done += this.#take(target.subarray(done));
    }
    if (done > 0 || this.#ended) return Promise.resolve(done);
    const failure = this.#failure ?? this.#readFailure;
    if (failure !== undefined) return Promise.reject(failure);
    return new Promise((resolve, reject) => {
      this.#inARow = 0;
      this.#pendingRead = { target, resolve, reject };
      this.#readDog.start();
      const handle = this.#handle;
      if (handle !== undefined) startReading(handle);
    });
  }

  /** Reads what is there, without waiting. The descriptor is non-blocking: Node made it so. */
  #take(target: Uint8Array): number {
    const handle = this.#handle;
    if (handle === undefined || target.length === 0) return 0;
    let count = 0;
    try {
      count = fs.readSync(handle.fd, target, 0, target.length, null);
      if (count === 0) this.#ended = true;
    } catch (thrown) {
      if (systemCode(thrown) !== 'EAGAIN')
        this.#readFailure = readError(this.#options.label, thrown, 'ERR_LINK_CLOSED');
    }
    this.#empty = count < target.length;
    this.#received += count;
    return count;
  }

  /** Something came. Returning false stops the reading until it is asked for again. */
  #onSign(count: number): boolean {
    this.#received += count;
    if (this.#discarding) {
      for (let i = 0; i < READS_IN_A_ROW && this.#take(scrap) === scrap.length; i++);
      return true;
    }
    const pending = this.#pendingRead;
    this.#empty = false;
    if (pending === undefined) {
      this.#early = this.#sign.slice(0, count);
      return false;
    }
    pending.target[0] = this.#sign[0]!;
    this.#resolveRead(pending, count + this.#take(pending.target.subarray(count)));
    return false;
  }

  #resolveRead(pending: PendingRead, count: number): void {
    this.#pendingRead = undefined;
    this.#readDog.stop();
    pending.resolve(count);
  }

  #onEnd(): void {
    this.#ended = true;
    if (this.#pendingRead !== undefined) this.#resolveRead(this.#pendingRead, 0);
    if (this.#discarding && this.#shut) this.#destroy();
  }

  #closeSource(): Promise<void> {
    this.#readFailure = closedError(this.#options.label);
    this.#early = new Uint8Array(0);
    const pending = this.#pendingRead;
    this.#pendingRead = undefined;
    this.#readDog.close();
    pending?.reject(this.#readFailure);
    if (this.sink === undefined) this.#destroy();
    else if (!this.#discarding) {
      // The other direction goes on. What still comes must be taken: a peer that cannot write does not read either,
      // and closing a socket with unread bytes resets it and loses what we wrote last.
      this.#discarding = true;
      const handle = this.#handle;
      if (handle !== undefined && !this.#ended) startReading(handle);
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
      this.#socket.write(bytes, (thrown) => {
        if (this.#pendingWrite !== reject) return;
        this.#pendingWrite = undefined;
        this.#writeDog.stop();
        if (!thrown) resolve();
        else {
          this.#keepLastWords();
          reject(this.#failure ?? this.#writeError(thrown));
        }
      });
      this.#writeDog.start();
    });
  }

  #writeError(thrown: unknown): RamferryError {
    return writeError(this.#options.label, thrown, 'ERR_LINK_CLOSED');
  }

  /** The peer hung up on us; why, it may have written before. Node is about to close the descriptor. */
  #keepLastWords(): void {
    if (this.source === undefined || this.#ended || this.#discarding) return;
    const memory = new Uint8Array(LAST_WORDS);
    memory.set(this.#early);
    let length = this.#early.length;
    for (let count = 1; count > 0 && length < LAST_WORDS; length += count) {
      count = this.#take(memory.subarray(length));
    }
    this.#early = memory.subarray(0, length);
    const pending = this.#pendingRead;
    if (pending === undefined || length === 0) return;
    this.#pendingRead = undefined;
    this.#readDog.stop();
    void this.#read(pending.target).then(pending.resolve, pending.reject);
  }

  #queued(): number {
    const handle = this.#handle;
    const calls = handle === undefined ? undefined : libc();
    if (handle === undefined || calls === undefined) return 0;
    return this.#options.pipe === true ? calls.unread(handle.fd) : calls.unsent(handle.fd);
  }

  #finish(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#pendingWrite = reject;
      this.#finished = true;
      this.#writeDog.start();
      this.#socket.end(() => {
        if (this.#pendingWrite !== reject) return;
        this.#pendingWrite = undefined;
        this.#shut = true;
        this.#writeDog.stop();
        if (this.#socket.errored) reject(this.#failure ?? this.#writeError(this.#socket.errored));
        else resolve();
        if (this.source === undefined) this.#destroy();
        else if (this.#discarding) this.#linger();
      });
    });
  }

  /** Both sides are done: wait a little for the peer's end, then let go. */
  #linger(): void {
    if (this.#ended) this.#destroy();
    else setTimeout(() => this.#destroy(), LINGER_MS).unref();
  }

  // Ends

  #destroy(): void {
    this.fail(closedError(this.#options.label));
  }

  #stalled(what: string, milliseconds: number): void {
    this.fail(
      new RamferryError('ERR_LINK_TIMEOUT', `${what} ${this.#options.label} for ${milliseconds / 1000} s`, {
        hint: 'check the network and the other side, or allow more time with --io-timeout',
      }),
    );
  }

  #onError(thrown: unknown): void {
    this.#readFailure ??= readError(this.#options.label, thrown, 'ERR_LINK_CLOSED');
    this.#failure ??= this.#writeError(thrown);
    this.#rejectPending();
  }

  #onClose(): void {
    this.#failure ??= closedError(this.#options.label);
    this.#rejectPending();
    this.#readDog.close();
    this.#writeDog.close();
    this.#unsubscribe();
  }

  #rejectPending(): void {
    const reason = this.#failure!;
    const read = this.#pendingRead;
    const write = this.#pendingWrite;
    this.#pendingRead = undefined;
    this.#pendingWrite = undefined;
    read?.reject(this.#readFailure ?? reason);
    write?.(reason);
  }
}

/** Where bytes go that nobody wants. */
const scrap = new Uint8Array(LAST_WORDS);

/** Takes over a descriptor of a pipe, FIFO or socket. Its file description must be ours alone: it becomes non-blocking. */
export function socketLinkOfDescriptor(fd: number, options: SocketLinkOptions): SocketLink {
  return new SocketLink(options, (how) => new net.Socket({ ...how, fd }));
}

/** Takes over a connection that Node has made. */
export function socketLinkOfHandle(handle: StreamHandle, options: SocketLinkOptions): SocketLink {
  return new SocketLink(options, (how) => new net.Socket({ ...how, handle } as SocketOptions));
}
