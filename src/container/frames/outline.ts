// Walks a foreign stream of standard frames (of zstd, pzstd, lz4, gzip or pigz) and reports each frame by its headers. Decodes
// only gzip, whose members do not state their length.
// Finds truncation, trailing bytes and broken headers like StreamDecoder, but no damage that only decoding shows.

import { Buffer } from 'node:buffer';

import {
  parseZstdBlockHeader,
  parseZstdHeader,
  ZSTD_BLOCK_HEADER,
  ZSTD_HEADER_MAX,
  type ZstdFrameHeader,
} from '../../codec/zstd-frame.js';
import { RamferryError } from '../../errors.js';
import type { ByteSource } from '../../io/bytes.js';
import { Cursor, Gather } from './cursor.js';
import { GzipMemberDecoder } from './gzip/stream.js';
import { beginsSomeFrame, isSkippable, MAGIC } from './limits.js';
import { LZ4_STORED, lz4HeaderLength, parseLz4Header } from './lz4/frame.js';
import { placed } from './place.js';
import { lostAnnouncement } from './skippable-stream.js';
import { RECORD_MAGIC, startsRecord } from './record.js';
import { unknownFrame } from './stream-decoder.js';
import { KIB } from '../../units.js';

const BUFFER_BYTES = 256 * KIB;
const CHECKSUM_SIZE = 4;

/** One frame of a stream. */
export interface FrameOutline {
  /** Format of the frame. */
  readonly format: 'zstd' | 'lz4' | 'gzip' | 'skippable';
  /** Offset of the frame in the stream, in bytes. */
  readonly offset: number;
  /** Bytes of the whole frame. */
  readonly length: number;
  /** Decoded bytes; undefined when the headers do not state them. */
  readonly decoded: number | undefined;
  /** The frame ends with a checksum over its decoded bytes. */
  readonly checksum: boolean;
  /** Bytes of history that a decoder must keep. */
  readonly window: number;
  /** Compressed blocks; 0 for gzip. */
  readonly compressed: number;
  /** Blocks that are stored or one repeated byte; 0 for gzip. */
  readonly stored: number;
}

type Contents = Omit<FrameOutline, 'format' | 'offset' | 'length'>;

const SKIPPED: Contents = { decoded: 0, checksum: false, window: 0, compressed: 0, stored: 0 };

/**
 * Walks the source to its end.
 * @param head bytes of the source that were read already
 * @throws ERR_STREAM_TRUNCATED, _TRAILING, _MAGIC, _FORMAT, _CODEC, _FEATURE, _CHECKSUM (headers and gzip), with the offset
 */
export async function outlineFrames(
  source: ByteSource,
  head: Uint8Array,
  onFrame: (frame: FrameOutline) => void,
): Promise<void> {
  const input = new Input(source, head);
  let afterGzip = false;
  while (await input.more()) {
    const offset = input.offset;
    if (afterGzip && input.cursor.rest()[0] === 0) return input.zeros();
    afterGzip = false;
    const magic = await input.magic();
    const number = magic.readUInt32LE();
    const found = (format: FrameOutline['format'], contents: Contents): void =>
      onFrame({ format, offset, length: input.offset - offset, ...contents });
    if (number === MAGIC.zstd) found('zstd', await zstdFrame(input, offset));
    else if (number === MAGIC.lz4) found('lz4', await lz4Frame(input, offset));
    else if (magic[0] === 0x1f && magic[1] === 0x8b && magic[2] === 8) {
      found('gzip', await gzipMember(input, magic, offset));
      afterGzip = true;
    } else if (isSkippable(number)) {
      await skippable(input, number, offset);
      found('skippable', SKIPPED);
    } else throw unknownFrame(offset, number);
  }
}

async function zstdFrame(input: Input, offset: number): Promise<Contents> {
  const head = Buffer.alloc(ZSTD_HEADER_MAX);
  head.writeUInt32LE(MAGIC.zstd);
  let header: ZstdFrameHeader | undefined;
  for (let have = 4; header === undefined;) {
    head.set(await input.take(1), have++);
    const parsed = placed(offset, () => parseZstdHeader(head.subarray(0, have)));
    if (parsed?.kind === 'frame') header = parsed;
  }
  const blocks = { compressed: 0, stored: 0 };
  let exact = 0;
  for (let last = false; !last;) {
    const at = input.offset;
    const field = await input.take(ZSTD_BLOCK_HEADER);
    const block = placed(at, () => parseZstdBlockHeader(field, 0))!;
    if (block.type === 'compressed') blocks.compressed++;
    else blocks.stored++;
    exact += block.decodedBound;
    await input.skip(block.encodedLength);
    last = block.last;
  }
  if (header.checksum) await input.skip(CHECKSUM_SIZE);
  const decoded = header.contentSize ?? (blocks.compressed === 0 ? exact : undefined);
  return { decoded, checksum: header.checksum, window: header.windowSize, ...blocks };
}

async function lz4Frame(input: Input, offset: number): Promise<Contents> {
  const head = Buffer.alloc(19);
  head.writeUInt32LE(MAGIC.lz4);
  head.set(await input.take(1), 4);
  const length = lz4HeaderLength(head[4]!);
  head.set(await input.take(length - 5), 5);
  const header = parseLz4Header(head.subarray(0, length), offset)!;
  const blocks = { compressed: 0, stored: 0 };
  let exact = 0;
  for (;;) {
    const at = input.offset;
    const field = Buffer.from(await input.take(4)).readUInt32LE();
    if (field === 0) break;
    const encoded = field % LZ4_STORED;
    if (encoded === 0 || encoded > header.blockMax) {
      throw new RamferryError('ERR_STREAM_FORMAT', 'an LZ4 frame is damaged: a block has no valid length', {
        offset: at,
      });
    }
    if (field >= LZ4_STORED) blocks.stored++;
    else blocks.compressed++;
    exact += encoded;
    await input.skip(encoded + (header.blockChecksums ? CHECKSUM_SIZE : 0));
  }
  if (header.contentChecksum) await input.skip(CHECKSUM_SIZE);
  const decoded = header.contentSize ?? (blocks.compressed === 0 ? exact : undefined);
  return { decoded, checksum: header.contentChecksum, window: header.linked ? 64 * KIB : 0, ...blocks };
}

async function gzipMember(input: Input, magic: Buffer, offset: number): Promise<Contents> {
  const decoder = new GzipMemberDecoder(magic, offset);
  let decoded = 0;
  try {
    while (!(await decoder.push(input.cursor, (bytes) => void (decoded += bytes.length)))) {
      if (!(await input.more())) throw input.truncated();
    }
  } finally {
    decoder.close();
  }
  return { ...SKIPPED, decoded, checksum: true, window: 32 * KIB };
}

async function skippable(input: Input, magic: number, offset: number): Promise<void> {
  let left = Buffer.from(await input.take(4)).readUInt32LE();
  if (magic === MAGIC.ramferry && left >= RECORD_MAGIC.length) {
    if (startsRecord(await input.take(RECORD_MAGIC.length))) throw lostAnnouncement(offset);
    left -= RECORD_MAGIC.length;
  }
  await input.skip(left);
}

/** Reads the source one buffer at a time. */
class Input {
  readonly #source: ByteSource;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  readonly #gather = new Gather();
  cursor: Cursor;

  constructor(source: ByteSource, head: Uint8Array) {
    this.#source = source;
    this.cursor = new Cursor(head, 0);
  }

  /** Offset in the stream of the next byte. */
  get offset(): number {
    return this.cursor.offset;
  }

  /** Refills an exhausted cursor. @returns false at the end of the stream */
  async more(): Promise<boolean> {
    if (this.cursor.left > 0) return true;
    const got = await this.#source.read(this.#buffer);
    this.cursor = new Cursor(this.#buffer.subarray(0, got), this.cursor.offset);
    return got > 0;
  }

  /** @returns n bytes, valid until the next call */
  async take(n: number): Promise<Uint8Array> {
    for (;;) {
      const item = n === 0 ? new Uint8Array(0) : this.#gather.take(this.cursor, n);
      if (item !== undefined) return item;
      if (!(await this.more())) throw this.truncated();
    }
  }

  /** The first four bytes of a frame. */
  async magic(): Promise<Buffer> {
    const offset = this.offset;
    for (;;) {
      const item = this.#gather.take(this.cursor, 4);
      if (item !== undefined) return Buffer.from(item);
      const begun = Buffer.from(this.#gather.partial);
      if (await this.more()) continue;
      throw beginsSomeFrame(begun) ? this.truncated() : unknownFrame(offset);
    }
  }

  async skip(n: number): Promise<void> {
    for (let left = n; left > 0;) {
      if (!(await this.more())) throw this.truncated();
      left -= this.cursor.take(Math.min(left, this.cursor.left)).length;
    }
  }

  /** Consumes padding up to the end of the stream. @throws ERR_STREAM_TRAILING at a byte that is not zero */
  async zeros(): Promise<void> {
    while (await this.more()) {
      const rest = this.cursor.rest();
      const other = rest.findIndex((byte) => byte !== 0);
      if (other >= 0) throw unknownFrame(this.offset + other);
      this.cursor.take(rest.length);
    }
  }

  truncated(): RamferryError {
    return new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends inside a frame', {
      offset: this.offset,
    });
  }
}
