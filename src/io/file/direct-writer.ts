// Writes a fresh file past the page cache (O_DIRECT): gathers what comes in order into one aligned block of memory and
// writes whole blocks of it, leaving holes where pages are zero.
// It promises the bytes in order once finish() has resolved; the file's length and name are its caller's.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { copyBytes } from '../../page/copy.js';
import { PAGE_BYTES } from '../../page/size.js';
import { isZeroPage } from '../../page/zero.js';
import { MIB } from '../../units.js';
import { type DirectPlaces, findPlaces } from './direct.js';

const write = promisify(fs.write);

/** One write of this size keeps a disk busy; libvirt's I/O helper uses the same. */
const BLOCK = MIB;

export class DirectWriter {
  readonly #fd: number;
  readonly #block: Buffer;
  readonly #view: DataView;
  readonly #alignment: number;
  #filled = 0;
  /** File position of the block's first byte. */
  #position = 0;

  private constructor(fd: number, memory: SharedArrayBuffer, { offset, alignment }: DirectPlaces) {
    this.#fd = fd;
    this.#block = Buffer.from(memory, offset, BLOCK);
    this.#view = new DataView(memory, offset, BLOCK);
    this.#alignment = alignment;
  }

  /**
   * Neither the memory nor the file system says what it allows: tried out on the file, which is left empty.
   * @param fd a fresh file, opened with O_DIRECT
   * @returns undefined where direct writes work nowhere
   */
  static on(fd: number): DirectWriter | undefined {
    const memory = new SharedArrayBuffer(BLOCK + PAGE_BYTES);
    try {
      const places = findPlaces(memory, ({ offset, alignment }) =>
        // The smallest write and the largest, neither at the start of the file.
        [alignment, BLOCK].every((length) => {
          const bytes = new Uint8Array(memory, offset, length);
          return fs.writeSync(fd, bytes, 0, length, alignment) === length;
        }),
      );
      return places && new DirectWriter(fd, memory, places);
    } finally {
      fs.ftruncateSync(fd, 0);
    }
  }

  /** Takes all the bytes; rejects with what the system says. */
  async append(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const part = Math.min(bytes.length - done, BLOCK - this.#filled);
      copyBytes(this.#block, this.#filled, bytes, done, done + part);
      this.#filled += part;
      done += part;
      if (this.#filled === BLOCK) await this.#flush(BLOCK);
    }
  }

  /** Writes what is left, filled up with zeros to a whole unit: the file has to be cut to its length afterwards. */
  async finish(): Promise<void> {
    const length = Math.ceil(this.#filled / this.#alignment) * this.#alignment;
    this.#block.fill(0, this.#filled, length);
    await this.#flush(length);
  }

  async #flush(length: number): Promise<void> {
    const whole = length - (length % PAGE_BYTES);
    let start = 0;
    for (let at = 0; at < whole; at += PAGE_BYTES) {
      if (!isZeroPage(this.#block, this.#view, at)) continue;
      await this.#write(start, at);
      start = at + PAGE_BYTES;
    }
    await this.#write(start, length);
    this.#position += length;
    this.#filled = 0;
  }

  async #write(from: number, to: number): Promise<void> {
    while (from < to) {
      const { bytesWritten } = await write(this.#fd, this.#block, from, to - from, this.#position + from);
      // A disk that is nearly full takes a part; the next write begins at a whole unit, and is told the reason.
      from += bytesWritten - (bytesWritten % this.#alignment);
    }
  }
}
