// `LookaheadBuffer`: shows the next bytes of a stream before they are consumed, for parsers that learn the length of a unit from its
// first bytes. Holds at most 1 MiB.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import type { ByteSource } from './bytes.js';
import { MIB } from '../units.js';

const BUFFER_BYTES = MIB;

export interface LookaheadInput {
  readonly source: ByteSource;
  /** Bytes of the source that were read already. */
  readonly head: Uint8Array;
  /** Milliseconds that the source may stall in the middle of a unit; 0 = no limit. */
  readonly ioTimeout: number;
}

export class LookaheadBuffer {
  #buffer = Buffer.alloc(BUFFER_BYTES);
  #start = 0;
  #end = 0;
  /** Stream offset of the first byte in the buffer. */
  offset = 0;
  atEnd = false;
  readonly #input: LookaheadInput;

  constructor(input: LookaheadInput) {
    this.#input = input;
    this.#buffer.set(input.head);
    this.#end = input.head.length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  async more(): Promise<void> {
    if (this.#end === this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const got = await this.#input.source.read(this.#buffer.subarray(this.#end));
    if (got === 0) this.atEnd = true;
    this.#end += got;
  }

  drop(bytes: number): void {
    this.#start += bytes;
    this.offset += bytes;
    if (this.#start === this.#end) this.#start = this.#end = 0;
  }

  /** Moves the next bytes to `target`. Bytes that are not in the buffer yet are read directly into it. */
  async move(target: Buffer): Promise<void> {
    let at = this.bytes.copy(target);
    this.drop(at);
    if (at === target.length) return;
    const { source, ioTimeout } = this.#input;
    // The rest of a unit arrives without a pause; between units the guest may idle.
    source.patience?.(ioTimeout);
    while (at < target.length) {
      const got = await source.read(target.subarray(at));
      if (got === 0) {
        throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends inside a frame', {
          offset: this.offset,
        });
      }
      at += got;
      this.offset += got;
    }
    source.patience?.(0);
  }
}
