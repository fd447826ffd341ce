// The reading half of a connection (socket.ts). Reads from the kernel into the caller's memory, and never a byte beyond the
// request. Also returns the bytes that the peer sent before it closed the connection. Independent of the writing half.
//
// Node delivers data only into a buffer that is fixed beforehand. Here that buffer has one byte, the wake-up byte. It goes to
// the front of the caller's memory, and read(2) fills the rest. Measured over a unix socket with 1 MiB reads: as fast as a large
// buffer, without its copy, and exact.

import fs from 'node:fs';

import { RamferryError } from '../errors.js';
import { readError, systemCode } from '../io/system-error.js';
import { startReading, type StreamHandle } from './handle.js';
import { INPUT_ROOM, PipeRoom } from './pipe-room.js';
import { Watchdog } from './watchdog.js';

/** Reads in a row without waiting. After them the event loop gets a turn. */
const READS_IN_A_ROW = 8;
/** Most unread bytes that are kept when the peer closes the connection. */
const KEPT_BYTES = 65_536;
/** The memory into which discarded bytes are read. */
const discarded = new Uint8Array(KEPT_BYTES);
const NOTHING = new Uint8Array(0);

interface PendingRead {
  readonly target: Uint8Array;
  readonly resolve: (count: number) => void;
  readonly reject: (reason: RamferryError) => void;
}

export interface SocketReadingOptions {
  readonly label: string;
  /** Whether the link is a pipe and not a socket. */
  readonly pipe: boolean;
  /** Milliseconds without a byte; 0 = wait for ever. */
  readonly ioTimeout: number;
  /** The socket's handle; undefined when the socket has been destroyed. */
  readonly handle: () => StreamHandle | undefined;
  /** The failure of the whole connection. */
  readonly failure: () => RamferryError | undefined;
  readonly onStall: (milliseconds: number) => void;
}

export class SocketReading {
  /** The buffer of the wake-up byte, into which Node reads. */
  readonly wakeUpByte = new Uint8Array(1);
  readonly #options: SocketReadingOptions;
  readonly #watchdog: Watchdog;
  readonly #room: PipeRoom | undefined;
  /** The failure of reading alone: the caller closed the source, or the peer reset the connection. */
  #failure: RamferryError | undefined;
  #pending: PendingRead | undefined;
  /** Bytes that were read before a request: the wake-up byte, bytes put back, or the last bytes of the peer. */
  #buffered: Uint8Array = NOTHING;
  #ended = false;
  /** The last read emptied the kernel's buffer: the next read waits for the event loop. */
  #empty = true;
  #inARow = 0;
  #received = 0;
  #discarding = false;

  constructor(options: SocketReadingOptions) {
    this.#options = options;
    this.#room = options.pipe ? new PipeRoom(INPUT_ROOM) : undefined;
    this.#watchdog = new Watchdog(options.ioTimeout, () => this.#received, options.onStall);
  }

  /** The peer has ended its direction. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Reading has ended, and the bytes that still arrive are discarded. */
  get discarding(): boolean {
    return this.#discarding;
  }

  setPatience(milliseconds: number): void {
    this.#watchdog.setPatience(milliseconds);
  }

  read(target: Uint8Array): Promise<number> {
    if (target.length === 0) return Promise.resolve(0);
    if (this.#pending !== undefined) {
      return Promise.reject(new RamferryError('ERR_INTERNAL', 'a second read while one is pending'));
    }
    let done = 0;
    if (this.#buffered.length > 0) {
      done = Math.min(this.#buffered.length, target.length);
      target.set(this.#buffered.subarray(0, done));
      this.#buffered = this.#buffered.subarray(done);
    }
    if (done === 0) {
      const failure = this.#options.failure() ?? this.#failure;
      if (failure !== undefined) return Promise.reject(failure);
      if (this.#ended) return Promise.resolve(0);
    }
    const ready = this.#options.failure() === undefined && !this.#empty && this.#inARow < READS_IN_A_ROW;
    if (ready && this.#buffered.length === 0) {
      this.#inARow += 1;
      done += this.#take(target.subarray(done));
    }
    if (done > 0 || this.#ended) return Promise.resolve(done);
    const failure = this.#options.failure() ?? this.#failure;
    if (failure !== undefined) return Promise.reject(failure);
    return new Promise((resolve, reject) => {
      this.#inARow = 0;
      this.#pending = { target, resolve, reject };
      this.#watchdog.start();
      const handle = this.#options.handle();
      if (handle !== undefined) startReading(handle);
    });
  }

  /** Puts back bytes that were read to identify the peer. The next reads return them first. */
  unread(bytes: Uint8Array): void {
    const early = new Uint8Array(bytes.length + this.#buffered.length);
    early.set(bytes);
    early.set(this.#buffered, bytes.length);
    this.#buffered = early;
  }

  /** Called by Node with the wake-up byte. Returning false stops Node's reading until it is started again. */
  onWakeUp(count: number): boolean {
    this.#received += count;
    if (this.#discarding) {
      for (let i = 0; i < READS_IN_A_ROW && this.#take(discarded) === discarded.length; i++);
      return true;
    }
    const pending = this.#pending;
    this.#empty = false;
    if (pending === undefined) {
      this.#buffered = this.wakeUpByte.slice(0, count);
      return false;
    }
    pending.target[0] = this.wakeUpByte[0]!;
    this.#resolve(pending, count + this.#take(pending.target.subarray(count)));
    return false;
  }

  /** Called when the peer has ended its direction. */
  onEnd(): void {
    this.#ended = true;
    if (this.#pending !== undefined) this.#resolve(this.#pending, 0);
  }

  /** Called when the peer failed. Reads reject with the reason after they have returned the peer's remaining bytes. */
  failWith(reason: RamferryError): void {
    this.#failure ??= reason;
  }

  /** Saves the unread bytes after the peer closed, before Node closes the descriptor: they may contain the peer's reason. */
  keepUnreadBytes(): void {
    if (this.#ended || this.#discarding) return;
    const memory = new Uint8Array(KEPT_BYTES);
    memory.set(this.#buffered);
    let length = this.#buffered.length;
    for (let count = 1; count > 0 && length < KEPT_BYTES; length += count) {
      count = this.#take(memory.subarray(length));
    }
    this.#buffered = memory.subarray(0, length);
    const pending = this.#pending;
    if (pending === undefined || length === 0) return;
    this.#pending = undefined;
    this.#watchdog.stop();
    void this.read(pending.target).then(pending.resolve, pending.reject);
  }

  /** Ends reading: the pending read and later reads reject with the reason. */
  close(reason: RamferryError): void {
    this.#failure = reason;
    this.#buffered = NOTHING;
    this.#watchdog.close();
    this.#reject(reason);
  }

  /**
   * Discards all bytes that still arrive. A peer that cannot write may not read either. Closing a socket with unread bytes
   * resets it and loses the last written bytes.
   */
  discard(): void {
    this.#discarding = true;
    const handle = this.#options.handle();
    if (handle !== undefined && !this.#ended) startReading(handle);
  }

  /** Drops buffered bytes, because the connection is aborted. */
  dropBuffered(): void {
    this.#buffered = NOTHING;
  }

  /** Stops the watchdog. Called when the connection has ended. */
  end(): void {
    this.#watchdog.close();
  }

  /** Rejects the pending read, if any, with the failure of reading, else with `reason`. */
  rejectPending(reason: RamferryError): void {
    this.#reject(this.#failure ?? reason);
  }

  #reject(reason: RamferryError): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(reason);
  }

  /** Reads the available bytes without waiting. Node has made the descriptor non-blocking. */
  #take(target: Uint8Array): number {
    const handle = this.#options.handle();
    if (handle === undefined || target.length === 0) return 0;
    let count = 0;
    try {
      count = fs.readSync(handle.fd, target, 0, target.length, null);
      if (count === 0) this.#ended = true;
    } catch (thrown) {
      if (systemCode(thrown) !== 'EAGAIN') {
        this.#failure = readError(this.#options.label, thrown, 'ERR_LINK_CLOSED');
      }
    }
    this.#empty = count < target.length;
    this.#received += count;
    this.#room?.moved(handle.fd, count);
    return count;
  }

  #resolve(pending: PendingRead, count: number): void {
    this.#pending = undefined;
    this.#watchdog.stop();
    pending.resolve(count);
  }
}
