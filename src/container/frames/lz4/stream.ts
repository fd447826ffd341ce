// Decodes one LZ4 frame incrementally: independent or linked blocks, with or without sizes and checksums.
// Verifies the header, block and content checksums that the frame has. Holds one block and the last 64 KiB.

import { setImmediate } from 'node:timers/promises';

import { Xxh32, xxh32 } from '../../../chunk/xxhash.js';
import { RamferryError } from '../../../errors.js';
import { MIB } from '../../../units.js';
import { Gather, type Cursor, type Emit } from '../cursor.js';
import type { Effort } from '../effort.js';
import type { FrameDecoder } from '../frame-decoder.js';
import { MAGIC } from '../limits.js';
import {
  decodeLz4Block,
  lz4BlockBound,
  LZ4_STORED,
  LZ4_WINDOW,
  lz4HeaderLength,
  parseLz4Header,
  type Lz4Header,
} from './frame.js';

/** lz4-napi returns buffers that V8 frees only between turns of the event loop. The decoder yields after this many bytes. */
const BYTES_PER_TURN = 32 * MIB;

type State = 'flags' | 'header' | 'block' | 'data' | 'checksum';

export class Lz4FrameDecoder implements FrameDecoder {
  readonly #gather = new Gather();
  readonly #content = new Xxh32();
  readonly #offset: number;
  readonly #effort: Effort;
  readonly #head = Buffer.alloc(19);
  #state: State = 'flags';
  #header: Lz4Header | undefined;
  #block = { stored: false, length: 0 };
  #window = Buffer.alloc(0);
  #decoded = 0;
  #sinceTurn = 0;

  constructor(offset: number, effort: Effort) {
    this.#offset = offset;
    this.#effort = effort;
    this.#head.writeUInt32LE(MAGIC.lz4);
  }

  get verified(): boolean {
    return this.#header?.contentChecksum ?? false;
  }

  async push(cursor: Cursor, emit: Emit): Promise<boolean> {
    while (true) {
      switch (this.#state) {
        case 'flags': {
          const flags = this.#gather.take(cursor, 1);
          if (flags === undefined) return false;
          this.#head[4] = flags[0]!;
          this.#state = 'header';
          break;
        }
        case 'header': {
          const length = lz4HeaderLength(this.#head[4]!);
          const rest = this.#gather.take(cursor, length - 5);
          if (rest === undefined) return false;
          this.#head.set(rest, 5);
          this.#header = parseLz4Header(this.#head.subarray(0, length), this.#offset);
          this.#state = 'block';
          break;
        }
        case 'block': {
          const field = this.#gather.take(cursor, 4);
          if (field === undefined) return false;
          if (this.#startBlock(Buffer.from(field).readUInt32LE(), cursor)) return true;
          break;
        }
        case 'data': {
          const checks = this.#header!.blockChecksums ? 4 : 0;
          const data = this.#gather.take(cursor, this.#block.length + checks);
          if (data === undefined) return false;
          await this.#decodeBlock(data, cursor.offset - data.length, emit);
          this.#state = 'block';
          break;
        }
        case 'checksum': {
          const sum = this.#gather.take(cursor, 4);
          if (sum === undefined) return false;
          if (Buffer.from(sum).readUInt32LE() !== this.#content.digest())
            throw this.#mismatch(cursor.offset - 4);
          return true;
        }
      }
    }
  }

  close(): void {
    // The decoder holds no native state.
  }

  /** Handles a block's length field. Returns true when the frame ends here. */
  #startBlock(field: number, cursor: Cursor): boolean {
    const { blockMax, contentSize, contentChecksum } = this.#header!;
    if (field === 0) {
      if (contentSize !== undefined && contentSize !== this.#decoded) {
        throw this.#damaged('it has another size than its header says', cursor.offset - 4);
      }
      this.#state = 'checksum';
      return !contentChecksum;
    }
    const length = field % LZ4_STORED;
    if (length === 0 || length > blockMax)
      throw this.#damaged('a block has no valid length', cursor.offset - 4);
    this.#effort.item(cursor.offset - 4);
    this.#block = { stored: field >= LZ4_STORED, length };
    this.#state = 'data';
    return false;
  }

  async #decodeBlock(data: Uint8Array, offset: number, emit: Emit): Promise<void> {
    const { blockMax, blockChecksums, contentChecksum, contentSize, linked } = this.#header!;
    const block = data.subarray(0, this.#block.length);
    if (blockChecksums) {
      const expected = Buffer.from(data.subarray(block.length)).readUInt32LE();
      if (expected !== xxh32(block)) throw this.#mismatch(offset);
    }
    const bound = lz4BlockBound(block.length, blockMax);
    const decoded = this.#block.stored
      ? block
      : decodeLz4Block(block, bound, offset, linked ? this.#window : undefined);
    this.#decoded += decoded.length;
    if (contentSize !== undefined && this.#decoded > contentSize) {
      throw this.#damaged('it is longer than its header says', offset);
    }
    if (contentChecksum) this.#content.update(decoded);
    if (linked) this.#keepWindow(decoded);
    this.#sinceTurn += bound;
    await emit(decoded);
    if (this.#sinceTurn >= BYTES_PER_TURN) {
      this.#sinceTurn = 0;
      await setImmediate();
    }
  }

  #keepWindow(decoded: Uint8Array): void {
    const old = Math.max(0, LZ4_WINDOW - decoded.length);
    this.#window = Buffer.concat([
      this.#window.subarray(Math.max(0, this.#window.length - old)),
      decoded.subarray(Math.max(0, decoded.length - LZ4_WINDOW)),
    ]);
  }

  #damaged(what: string, offset: number): RamferryError {
    return new RamferryError('ERR_STREAM_FORMAT', `an LZ4 frame is damaged: ${what}`, { offset });
  }

  #mismatch(offset: number): RamferryError {
    return new RamferryError('ERR_STREAM_CHECKSUM', 'a checksum of an LZ4 frame does not match', { offset });
  }
}
