// Reads and writes descriptors that other processes share, and devices.
// Never changes the flags of the open file description and never shuts it down, because the other process still uses it.
// All I/O is sequential, at the description's own offset. A thread of libuv's pool waits with poll(2), in short turns. So an
// aborted read takes no byte from the next reader.

import fs from 'node:fs';
import os from 'node:os';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { RamferryError } from '../errors.js';
import type { ByteSink, ByteSource } from '../io/bytes.js';
import { libc, POLL_IN, POLL_OUT } from '../os/libc.js';
import { FileStamp } from '../io/file/stamp.js';
import { OperationGuard } from '../io/operation.js';
import { closedError, readError, systemCode, systemError, writeError } from '../io/system-error.js';
import { INPUT_ROOM, PipeRoom } from './pipe-room.js';
import { waitTaken } from './listen/taken.js';
import { Watchdog } from './watchdog.js';

const read = promisify(fs.read);
const write = promisify(fs.write);
const fdatasync = promisify(fs.fdatasync);

/** Length of one poll(2): a thread stays busy for at most this long after the caller has aborted. */
const TURN_MS = 200;
/** Without poll(2): pause before the next attempt on a non-blocking descriptor that is not ready. */
const REST_MS = 5;
/** Reads or writes in a row without waiting. After them the event loop gets a turn. */
const IN_A_ROW = 8;

const { EAGAIN, EINTR } = os.constants.errno;

export interface DescriptorOptions {
  readonly label: string;
  /** ramferry opened the descriptor, and closes it at the end. An inherited descriptor stays open. */
  readonly own: boolean;
  /** Milliseconds without progress; 0 = wait for ever. */
  readonly ioTimeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** The part of source and sink that does not depend on the direction. */
class Descriptor {
  readonly fd: number;
  readonly label: string;
  readonly guard: OperationGuard;
  readonly stats: fs.Stats;
  readonly #own: boolean;
  readonly #watchdog: Watchdog;
  readonly #room: PipeRoom | undefined;
  #moved = 0;
  #inARow = 0;
  #closed = false;

  constructor(fd: number, options: DescriptorOptions, stalled: string, room?: number) {
    this.fd = fd;
    this.label = options.label;
    this.#own = options.own;
    this.stats = fs.fstatSync(fd);
    this.#room = this.stats.isFIFO() && room !== undefined ? new PipeRoom(room) : undefined;
    this.guard = new OperationGuard(options.signal);
    this.#watchdog = new Watchdog(
      options.ioTimeout,
      () => this.#moved,
      (ms) => {
        const text = `${stalled} ${options.label} for ${ms / 1000} s`;
        this.guard.fail(new RamferryError('ERR_LINK_TIMEOUT', text));
      },
    );
  }

  patience(milliseconds: number): void {
    this.#watchdog.setPatience(milliseconds);
  }

  async run<T>(start: () => Promise<T>): Promise<T> {
    this.#watchdog.start();
    try {
      return await this.guard.run(start);
    } finally {
      this.#watchdog.stop();
    }
  }

  async moved(bytes: number): Promise<void> {
    this.#moved += bytes;
    this.#room?.moved(this.fd, bytes);
    this.#inARow += 1;
    if (this.#inARow >= IN_A_ROW) {
      this.#inARow = 0;
      await nextTurn();
    }
  }

  /** Waits until the descriptor may be ready. Throws when the operation was aborted. */
  async ready(events: number): Promise<void> {
    this.#inARow = 0;
    const calls = libc();
    if (calls === undefined) {
      await sleep(REST_MS);
    } else {
      while (this.guard.failure === undefined && (await calls.poll(this.fd, events, TURN_MS)) === 0);
    }
    if (this.guard.failure !== undefined) throw this.guard.failure;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchdog.close();
    this.guard.close(closedError(this.label), () => {
      if (this.#own) fs.closeSync(this.fd);
    });
  }
}

export class DescriptorSource implements ByteSource {
  readonly label: string;
  readonly #at: Descriptor;
  readonly #stamp: FileStamp | undefined;

  constructor(fd: number, options: DescriptorOptions) {
    this.label = options.label;
    this.#at = new Descriptor(fd, options, 'no byte came from', INPUT_ROOM);
    if (this.#at.stats.isFile()) this.#stamp = new FileStamp(fd, options.label);
  }

  unchanged(): void {
    this.#stamp?.check();
  }

  get tellsEnd(): boolean {
    return this.#at.stats.isFile();
  }

  patience(milliseconds: number): void {
    this.#at.patience(milliseconds);
  }

  read(target: Uint8Array): Promise<number> {
    return this.#at.run(async () => {
      const count = this.#at.stats.isSocket() ? await this.#receive(target) : await this.#read(target);
      await this.#at.moved(count);
      return count;
    });
  }

  async #read(target: Uint8Array): Promise<number> {
    if (!this.#at.stats.isFile() && libc() !== undefined) await this.#at.ready(POLL_IN);
    for (;;) {
      try {
        return (await read(this.#at.fd, target, 0, target.length, null)).bytesRead;
      } catch (thrown) {
        if (systemCode(thrown) !== 'EAGAIN') throw readError(this.label, thrown);
        await this.#at.ready(POLL_IN);
      }
    }
  }

  async #receive(target: Uint8Array): Promise<number> {
    const calls = libc();
    if (calls === undefined) return this.#read(target);
    for (;;) {
      const count = calls.receive(this.#at.fd, target);
      if (count >= 0) return count;
      if (count === -EAGAIN) await this.#at.ready(POLL_IN);
      else if (count !== -EINTR) throw readError(this.label, systemError(-count, 'recv'), 'ERR_LINK_CLOSED');
    }
  }

  close(): Promise<void> {
    this.#at.close();
    return Promise.resolve();
  }
}

export class DescriptorSink implements ByteSink {
  readonly label: string;
  readonly inert: boolean;
  readonly #at: Descriptor;

  constructor(fd: number, options: DescriptorOptions) {
    this.label = options.label;
    this.#at = new Descriptor(fd, options, 'no byte was taken by');
    const { stats } = this.#at;
    this.inert = stats.isFile() || stats.isBlockDevice();
  }

  patience(milliseconds: number): void {
    this.#at.patience(milliseconds);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#at.run(async () => {
      for (let done = 0; done < bytes.length;) {
        if (this.#at.guard.failure !== undefined) throw this.#at.guard.failure;
        const rest = bytes.subarray(done);
        const count = this.#at.stats.isSocket() ? await this.#send(rest) : await this.#write(rest);
        done += count;
        await this.#at.moved(count);
      }
    });
  }

  async #write(bytes: Uint8Array): Promise<number> {
    for (;;) {
      try {
        return (await write(this.#at.fd, bytes, 0, bytes.length, null)).bytesWritten;
      } catch (thrown) {
        if (systemCode(thrown) !== 'EAGAIN') throw writeError(this.label, thrown);
        await this.#at.ready(POLL_OUT);
      }
    }
  }

  async #send(bytes: Uint8Array): Promise<number> {
    const calls = libc();
    if (calls === undefined) return this.#write(bytes);
    for (;;) {
      const count = calls.send(this.#at.fd, bytes);
      if (count >= 0) return count;
      if (count === -EAGAIN) await this.#at.ready(POLL_OUT);
      else if (count !== -EINTR) throw writeError(this.label, systemError(-count, 'send'), 'ERR_LINK_CLOSED');
    }
  }

  queued(): number {
    const { stats, fd } = this.#at;
    if (stats.isSocket()) return libc()?.unsent(fd) ?? 0;
    return stats.isFIFO() ? (libc()?.unread(fd) ?? 0) : 0;
  }

  /** A socket whose peer closes with unread bytes fails the reads of the other direction. */
  async taken(): Promise<void> {
    const { stats, fd, guard } = this.#at;
    if (!stats.isSocket() && !stats.isFIFO()) return;
    await this.#at.run(() =>
      waitTaken({
        label: this.label,
        fd: () => fd,
        queued: () => this.queued(),
        failure: () => guard.failure,
        ended: () => true,
      }),
    );
  }

  /** Flushes a block device. An inherited descriptor stays open until this process ends. */
  async finish(): Promise<void> {
    await this.#at.run(async () => {
      if (!this.#at.stats.isBlockDevice()) return;
      await fdatasync(this.#at.fd).catch((thrown: unknown) => {
        throw writeError(this.label, thrown);
      });
    });
    this.#at.close();
  }

  abort(): Promise<void> {
    this.#at.close();
    return Promise.resolve();
  }
}
