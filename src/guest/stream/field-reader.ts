// Reads fields and blocks of known length from a ByteSource through one buffer.
// The caller awaits need(), then takes bytes, so that only refilling the buffer is asynchronous. An input that ends
// inside the requested bytes is ERR_STREAM_TRUNCATED with its offset. The reader may read ahead, up to 1 MiB.

import { Buffer } from 'node:buffer';
import { RamferryError } from '../../errors.js';
import type { ByteSource } from '../../io/bytes.js';

const BUFFER_BYTES = 1 << 20;

export class FieldReader {
  readonly #source: ByteSource;
  /** The bytes that need() has read, valid until the next need(). */
  readonly buffer = Buffer.alloc(BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #consumed = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#consumed;
  }

  has(n: number): boolean {
    return this.#end - this.#start >= n;
  }

  /**
   * Resolves when n bytes can be taken. @param n at most 1 MiB
   * @param what name of the field, for the error message
   * @throws RamferryError ERR_STREAM_TRUNCATED
   */
  async need(n: number, what: string): Promise<void> {
    if (this.has(n)) return;
    if (n > BUFFER_BYTES) throw new RangeError(`${n} bytes at once`);
    if (!(await this.#fill(n))) throw this.#truncated(what);
  }

  /** Whether no byte is left. Waits for a byte or for the end. */
  async atEnd(): Promise<boolean> {
    return !this.has(1) && !(await this.#fill(1));
  }

  /** The next n bytes, without taking them; fewer at the end of the input. */
  async peek(n: number): Promise<Buffer> {
    if (!this.has(n)) await this.#fill(n);
    return this.buffer.subarray(this.#start, Math.min(this.#start + n, this.#end));
  }

  /** Takes n bytes that need() has read; the view is valid until the next need(). */
  take(n: number): Buffer {
    const at = this.advance(n);
    return this.buffer.subarray(at, at + n);
  }

  /** Takes n bytes that need() has read, without a view. @returns their position in {@link buffer} */
  advance(n: number): number {
    if (!this.has(n)) throw new RangeError('take without need');
    const at = this.#start;
    this.#start += n;
    this.#consumed += n;
    return at;
  }

  /** Fills all of target. @throws RamferryError ERR_STREAM_TRUNCATED */
  async copyTo(target: Buffer, what: string): Promise<void> {
    for (let filled = 0; filled < target.length;) {
      await this.need(1, what);
      const n = Math.min(target.length - filled, this.#end - this.#start);
      this.take(n).copy(target, filled);
      filled += n;
    }
  }

  /** @throws RamferryError ERR_STREAM_TRUNCATED */
  async skip(n: number, what: string): Promise<void> {
    for (let left = n; left > 0;) {
      await this.need(1, what);
      const some = Math.min(left, this.#end - this.#start);
      this.take(some);
      left -= some;
    }
  }

  u8(): number {
    return this.buffer.readUInt8(this.advance(1));
  }
  u16be(): number {
    return this.buffer.readUInt16BE(this.advance(2));
  }
  u16le(): number {
    return this.buffer.readUInt16LE(this.advance(2));
  }
  u32be(): number {
    return this.buffer.readUInt32BE(this.advance(4));
  }
  u32le(): number {
    return this.buffer.readUInt32LE(this.advance(4));
  }

  async #fill(n: number): Promise<boolean> {
    if (this.#start > 0) {
      this.buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    while (this.#end < n) {
      const got = await this.#source.read(this.buffer.subarray(this.#end));
      if (got === 0) return false;
      this.#end += got;
    }
    return true;
  }

  #truncated(what: string): RamferryError {
    return new RamferryError('ERR_STREAM_TRUNCATED', `the stream ends inside ${what}`, {
      offset: this.#consumed + this.#end - this.#start,
      hint: 'the source stopped early, or the link lost the rest',
    });
  }
}
