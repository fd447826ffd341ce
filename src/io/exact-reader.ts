// `ExactReader`: reads exact amounts from a ByteSource: small amounts through a buffer, large ones directly into the caller's memory.
// Counts the offset. An input that ends within an amount is ERR_STREAM_TRUNCATED.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import type { ByteSource } from './bytes.js';

const BUFFER_BYTES = 65_536;

export class ExactReader {
  readonly #source: ByteSource;
  readonly #buffer: Buffer;
  readonly #ahead: number;
  #start = 0;
  #end: number;
  #offset = 0;

  /**
   * @param head bytes of the source that were read already, at most 4 KiB
   * @param shared another reader continues where this one stops, so nothing is read ahead
   */
  constructor(source: ByteSource, head: Uint8Array = new Uint8Array(0), shared = false) {
    this.#source = source;
    this.#ahead = shared ? 0 : BUFFER_BYTES;
    this.#buffer = Buffer.allocUnsafe(Math.max(this.#ahead, head.length));
    this.#buffer.set(head);
    this.#end = head.length;
  }

  /** Bytes given to the caller so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Reads up to target.length bytes, at least one; 0 at the end. */
  async some(target: Uint8Array): Promise<number> {
    const buffered = this.#end - this.#start;
    let got: number;
    if (buffered > 0) {
      got = Math.min(buffered, target.length);
      target.set(this.#buffer.subarray(this.#start, this.#start + got));
      this.#start += got;
    } else if (target.length < this.#ahead) {
      this.#start = 0;
      this.#end = await this.#source.read(this.#buffer);
      if (this.#end === 0) return 0;
      return this.some(target);
    } else {
      got = await this.#source.read(target);
    }
    this.#offset += got;
    return got;
  }

  /**
   * Fills the target.
   * @returns false when the input ended before the first byte
   * @throws ERR_STREAM_TRUNCATED when it ended after the first byte
   */
  async fill(target: Uint8Array): Promise<boolean> {
    let at = 0;
    while (at < target.length) {
      const got = await this.some(target.subarray(at));
      if (got === 0) {
        if (at === 0) return false;
        throw this.truncated(target.length - at);
      }
      at += got;
    }
    return true;
  }

  /** Fills the target or throws ERR_STREAM_TRUNCATED. */
  async exactly(target: Uint8Array): Promise<void> {
    if (!(await this.fill(target)) && target.length > 0) throw this.truncated(target.length);
  }

  truncated(missing: number): RamferryError {
    return new RamferryError(
      'ERR_STREAM_TRUNCATED',
      `the stream ends early: at least ${missing} bytes are missing`,
      {
        offset: this.#offset,
        hint: 'the sender or the link stopped before the end: the transfer must be repeated',
      },
    );
  }
}
