// Decodes one zstd frame incrementally. Walks header, blocks and checksum itself, so it finds the frame's end with any engine.
// The engine gets exactly the bytes of the frame.

import {
  parseZstdBlockHeader,
  parseZstdHeader,
  ZSTD_BLOCK_HEADER,
  ZSTD_HEADER_MAX,
  ZSTD_MAGIC,
  type ZstdFrameHeader,
} from '../../../codec/zstd-frame.js';
import { RamferryError } from '../../../errors.js';
import { formatSize } from '../../../units.js';
import { Gather, type Cursor, type Emit } from '../cursor.js';
import type { FrameDecoder } from '../frame-decoder.js';
import type { Effort } from '../effort.js';
import { MAX_ZSTD_WINDOW, MIN_BYTES_PER_ITEM } from '../limits.js';
import { placed } from '../place.js';
import type { ZstdEngine } from './engine-type.js';

const CHECKSUM_SIZE = 4;

type State = 'block' | 'body' | 'checksum' | 'done';

export class ZstdFrameDecoder implements FrameDecoder {
  readonly #engine: ZstdEngine;
  readonly #offset: number;
  readonly #maxWindow: number;
  readonly #effort: Effort;
  readonly #gather = new Gather();
  readonly #head = Buffer.alloc(ZSTD_HEADER_MAX);
  #headLength = 4;
  #header: ZstdFrameHeader | undefined;
  #state: State = 'block';
  #left = 0;
  #last = false;

  /** @param maxWindow largest window, in bytes, that the frame may have */
  constructor(engine: ZstdEngine, offset: number, maxWindow: number, effort: Effort) {
    this.#engine = engine;
    this.#offset = offset;
    this.#maxWindow = Math.min(maxWindow, MAX_ZSTD_WINDOW);
    this.#effort = effort;
    this.#head.writeUInt32LE(ZSTD_MAGIC);
  }

  get verified(): boolean {
    return this.#header?.checksum ?? false;
  }

  async push(cursor: Cursor, emit: Emit): Promise<boolean> {
    if (this.#header === undefined) {
      this.#header = this.#takeHeader(cursor);
      if (this.#header === undefined) return false;
      this.#engine.start(this.#header, this.#offset);
      await this.#engine.push(this.#head.subarray(0, this.#headLength), emit);
    }
    const from = cursor.at;
    while (this.#step(cursor, this.#header));
    if (cursor.at > from) await this.#engine.push(cursor.since(from), emit);
    if (this.#state !== 'done') return false;
    await this.#engine.finish(emit);
    return true;
  }

  close(): void {
    // The engine belongs to the stream.
  }

  #takeHeader(cursor: Cursor): ZstdFrameHeader | undefined {
    let header: ReturnType<typeof parseZstdHeader>;
    while (header === undefined) {
      if (cursor.left === 0) return undefined;
      this.#head.set(cursor.take(1), this.#headLength);
      this.#headLength += 1;
      header = placed(this.#offset, () => parseZstdHeader(this.#head.subarray(0, this.#headLength)));
    }
    if (header.kind !== 'frame') return undefined;
    if (header.dictionaryId !== 0) {
      throw this.#error(
        'ERR_STREAM_FEATURE',
        'a zstd frame needs a dictionary',
        'Compress without `zstd -D`.',
      );
    }
    const { windowSize } = header;
    if (windowSize > this.#maxWindow) {
      const fits = windowSize <= MAX_ZSTD_WINDOW;
      throw this.#error(
        'ERR_STREAM_LIMIT',
        `a zstd frame needs a window of ${formatSize(windowSize)}; the limit is ${formatSize(this.#maxWindow)}`,
        fits
          ? `raise --memory-limit by ${formatSize(windowSize - this.#maxWindow)}, or compress with a smaller --long`
          : 'compress with --long=31 or less',
      );
    }
    return header;
  }

  /** Walks one item. Returns false at the frame's end, and when the cursor is exhausted before the item is complete. */
  #step(cursor: Cursor, header: ZstdFrameHeader): boolean {
    switch (this.#state) {
      case 'block': {
        const field = this.#gather.take(cursor, ZSTD_BLOCK_HEADER);
        if (field === undefined) return false;
        this.#startBlock(field, cursor.offset - ZSTD_BLOCK_HEADER);
        return true;
      }
      case 'body': {
        const taken = Math.min(this.#left, cursor.left);
        cursor.take(taken);
        this.#left -= taken;
        if (this.#left > 0) return false;
        this.#state = !this.#last ? 'block' : header.checksum ? 'checksum' : 'done';
        return true;
      }
      case 'checksum':
        if (this.#gather.take(cursor, CHECKSUM_SIZE) === undefined) return false;
        this.#state = 'done';
        return false;
      case 'done':
        return false;
    }
  }

  #startBlock(field: Uint8Array, offset: number): void {
    const block = placed(offset, () => parseZstdBlockHeader(field, 0))!;
    this.#last = block.last;
    this.#left = block.encodedLength;
    // The decoded size of a compressed block is known only after decoding, which takes libzstd almost no time.
    if (block.type !== 'compressed' && block.decodedBound < MIN_BYTES_PER_ITEM) this.#effort.item(offset);
    this.#engine.block(block.decodedBound, offset);
    this.#state = 'body';
  }

  #error(code: RamferryError['code'], message: string, hint: string): RamferryError {
    return new RamferryError(code, message, { offset: this.#offset, hint });
  }
}
