// `DirectWriter`: writes a new file past the page cache (O_DIRECT). Collects bytes in order in one aligned block of memory and writes
// whole blocks, with holes where pages are zero.
// All bytes are in the file when finish() has resolved. The caller sets the file's length and name.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { copyBytes } from '../../page/copy.js';
import { PAGE_BYTES } from '../../page/size.js';
import { isZeroPage } from '../../page/zero.js';
import { MIB } from '../../units.js';
import { type DirectPlaces, findPlaces } from './direct.js';

const write = promisify(fs.write);

/** Writes of this size keep a disk busy; libvirt's I/O helper uses the same. */
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
   * Finds an alignment that works by test writes to the file, which is empty again afterwards. Neither the memory nor the file system
   * states what it requires.
   * @param fd a new file, opened with O_DIRECT
   * @returns undefined when no alignment works
   */
  static on(fd: number): DirectWriter | undefined {
    const memory = new SharedArrayBuffer(BLOCK + PAGE_BYTES);
    try {
      const places = findPlaces(memory, ({ offset, alignment }) =>
        // Tries the smallest and the largest write, neither at the start of the file.
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

  /** Takes all the bytes. Rejects with the system's error. */
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

  /** Writes the remaining bytes, padded with zeros to the alignment. The caller must then truncate the file to its length. */
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
      // A disk that is nearly full takes a part. The next write begins at a multiple of the alignment and fails with the reason.
      from += bytesWritten - (bytesWritten % this.#alignment);
    }
  }
}
