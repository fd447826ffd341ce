// Decodes a foreign stream of standard frames (of zstd, pzstd, lz4, gzip or pigz) in bounded memory, at the speed of one thread.
// Accepts the stream in any split. The promise of `push` applies back-pressure.
// Walks each frame to its end itself, so its errors distinguish truncation, damage and trailing bytes, with offsets.

import { RamferryError } from '../../errors.js';
import { Cursor, Gather, type Emit } from './cursor.js';
import type { FrameDecoder } from './frame-decoder.js';
import { Effort } from './effort.js';
import { GzipMemberDecoder } from './gzip/stream.js';
import { beginsSomeFrame, DEFAULT_ZSTD_WINDOW, isSkippable, MAGIC } from './limits.js';
import { Lz4FrameDecoder } from './lz4/stream.js';
import { SkippableFrameDecoder } from './skippable-stream.js';
import { openZstdEngine } from './zstd/engine.js';
import type { ZstdEngine, ZstdEngineName } from './zstd/engine-type.js';
import { ZstdFrameDecoder } from './zstd/stream.js';

export interface StreamDecoderOptions {
  /** Offset in the whole stream at which the decoder starts. Above 0, other frames came before. Default 0. */
  readonly offset?: number;
  /** The zstd binding to decode with. Default: the best installed one. */
  readonly zstd?: ZstdEngineName;
  /** Largest window of a zstd frame in bytes; the decoder holds that much. Default 128 MiB, at most 2 GiB. */
  readonly maxWindow?: number;
}

export class StreamDecoder {
  readonly #zstdName: ZstdEngineName | undefined;
  readonly #gather = new Gather();
  readonly #effort = new Effort();
  readonly #maxWindow: number;
  readonly #start: number;
  #zstd: ZstdEngine | undefined;
  #frame: FrameDecoder | undefined;
  #offset: number;
  #verified = true;
  /** The last frame was a gzip member: zeros may follow. `gzip -d` allows them because tapes are padded with zeros. */
  #afterGzip = false;
  #padding = false;

  constructor(options: StreamDecoderOptions = {}) {
    this.#start = this.#offset = options.offset ?? 0;
    this.#zstdName = options.zstd;
    this.#maxWindow = options.maxWindow ?? DEFAULT_ZSTD_WINDOW;
  }

  /** Whether every frame so far had a checksum over its decoded bytes. */
  get verified(): boolean {
    return this.#verified;
  }

  /**
   * Decodes all of `input`. One call at a time. After an error only `close` may be called.
   * @throws ERR_STREAM_MAGIC, _TRAILING, _FORMAT, _CODEC, _CHECKSUM, _LIMIT, _FEATURE or ERR_CODEC_UNAVAILABLE
   */
  async push(input: Uint8Array, emit: Emit): Promise<void> {
    const cursor = new Cursor(input, this.#offset);
    const counted: Emit = (bytes) => {
      this.#effort.decoded(bytes.length);
      return emit(bytes);
    };
    while (cursor.left > 0) {
      if (this.#padded(cursor)) break;
      if (this.#frame === undefined) {
        const magic = this.#gather.take(cursor, 4);
        if (magic === undefined) break;
        this.#frame = this.#open(Buffer.from(magic), cursor.offset - 4);
      } else if (await this.#frame.push(cursor, counted)) {
        this.#finishFrame(this.#frame);
      }
    }
    this.#offset += input.length;
  }

  /** Checks the end of the input. @throws ERR_STREAM_TRUNCATED inside a frame and on an empty stream */
  end(): void {
    const partial = this.#gather.partial;
    const begun = partial.length > 0;
    if (begun && !beginsSomeFrame(partial)) throw unknownFrame(this.#offset - partial.length);
    if (begun || this.#frame !== undefined || this.#offset === this.#start) {
      throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends inside a frame', {
        offset: this.#offset,
      });
    }
  }

  /** Releases native state. Safe to call twice. */
  close(): void {
    this.#frame?.close();
    this.#frame = undefined;
    this.#zstd?.close();
    this.#zstd = undefined;
  }

  /** Consumes zeros after a gzip member, up to the end of the stream. @throws ERR_STREAM_TRAILING at any other byte */
  #padded(cursor: Cursor): boolean {
    const between = this.#frame === undefined && this.#gather.partial.length === 0;
    if (!this.#padding && !(between && this.#afterGzip && cursor.rest()[0] === 0)) return false;
    this.#padding = true;
    const rest = cursor.rest();
    const other = rest.findIndex((byte) => byte !== 0);
    if (other >= 0) throw unknownFrame(cursor.offset + other);
    cursor.take(rest.length);
    return true;
  }

  #finishFrame(frame: FrameDecoder): void {
    this.#afterGzip = frame instanceof GzipMemberDecoder;
    this.#verified &&= frame.verified;
    frame.close();
    this.#frame = undefined;
  }

  #open(magic: Buffer, offset: number): FrameDecoder {
    const number = magic.readUInt32LE();
    this.#effort.item(offset);
    if (number === MAGIC.zstd) {
      this.#zstd ??= openZstdEngine(this.#zstdName);
      return new ZstdFrameDecoder(this.#zstd, offset, this.#maxWindow, this.#effort);
    }
    if (number === MAGIC.lz4) return new Lz4FrameDecoder(offset, this.#effort);
    if (magic[0] === 0x1f && magic[1] === 0x8b && magic[2] === 8) return new GzipMemberDecoder(magic, offset);
    if (isSkippable(number)) return new SkippableFrameDecoder(number, offset);
    throw unknownFrame(offset, number);
  }
}

/** The error for bytes at `offset` that begin no known frame. @param magic the first four bytes, if there are four */
export function unknownFrame(offset: number, magic?: number): RamferryError {
  if (magic === MAGIC.lz4Legacy) {
    return new RamferryError('ERR_STREAM_FEATURE', 'the legacy LZ4 format is not read', {
      offset,
      hint: 'compress without `lz4 -l`, or decode it with `lz4 -dc`',
    });
  }
  return offset > 0
    ? new RamferryError('ERR_STREAM_TRAILING', 'bytes follow the last frame', { offset })
    : new RamferryError('ERR_STREAM_MAGIC', 'this is no stream of zstd, LZ4 or gzip frames', { offset });
}
