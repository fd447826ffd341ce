// Headers and block headers of zstd frames (RFC 8878, section 3.1): reads and writes them, never the contents of blocks.
// Takes any bytes; returns undefined while they are incomplete, or throws ERR_STREAM_CODEC. Allocates nothing that the bytes claim.

import { RamferryError } from '../errors.js';
import { KIB } from '../units.js';

/** First 4 bytes of a zstd frame, little-endian. */
export const ZSTD_MAGIC = 0xfd2fb528;
/** A skippable frame has 0x184D2A50 to 0x184D2A5F. */
const ZSTD_SKIPPABLE_MAGIC = 0x184d2a50;
/** No block holds more decoded bytes. */
export const ZSTD_BLOCK_MAX = 128 * KIB;
/** Longest header of a frame: magic, descriptor, window, dictionary, content size. */
export const ZSTD_HEADER_MAX = 18;
/** A block header is 3 bytes. */
export const ZSTD_BLOCK_HEADER = 3;

export interface ZstdFrameHeader {
  readonly kind: 'frame';
  /** Bytes of the header, magic included. */
  readonly headerLength: number;
  /** Decoded length; undefined when the frame does not have it. Beyond 2^53 it is not exact. */
  readonly contentSize: number | undefined;
  /** Bytes of history that a decoder must keep. */
  readonly windowSize: number;
  /** One piece: the window is the content. */
  readonly singleSegment: boolean;
  /** 0 = none. */
  readonly dictionaryId: number;
  /** 4 bytes follow the last block: the low half of the XXH64 of the content, seed 0. */
  readonly checksum: boolean;
}

/** Bytes that a decoder jumps over: `headerLength` and then `contentSize` bytes. */
export interface ZstdSkippableHeader {
  readonly kind: 'skippable';
  readonly headerLength: 8;
  readonly contentSize: number;
}

/**
 * Reads the header at `offset`.
 * @returns undefined when the header is not complete yet (at most ZSTD_HEADER_MAX bytes are needed).
 * @throws RamferryError ERR_STREAM_CODEC when no frame starts here.
 */
export function parseZstdHeader(
  bytes: Uint8Array,
  offset = 0,
): ZstdFrameHeader | ZstdSkippableHeader | undefined {
  if (bytes.length - offset < 4) return undefined;
  const magic = readUint(bytes, offset, 4);
  if ((magic & 0xfffffff0) >>> 0 === ZSTD_SKIPPABLE_MAGIC) {
    if (bytes.length - offset < 8) return undefined;
    return { kind: 'skippable', headerLength: 8, contentSize: readUint(bytes, offset + 4, 4) };
  }
  if (magic !== ZSTD_MAGIC) throw damaged('no zstd frame starts here');
  return parseFrameHeader(bytes, offset);
}

function parseFrameHeader(bytes: Uint8Array, offset: number): ZstdFrameHeader | undefined {
  const descriptor = bytes[offset + 4];
  if (descriptor === undefined) return undefined;
  if ((descriptor & 0x08) !== 0) throw damaged('zstd frame header has its reserved bit set');
  const singleSegment = (descriptor & 0x20) !== 0;
  const windowBytes = singleSegment ? 0 : 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = contentSizeBytes(descriptor >> 6, singleSegment);
  const headerLength = 5 + windowBytes + dictionaryBytes + sizeBytes;
  if (bytes.length - offset < headerLength) return undefined;

  const dictionaryAt = offset + 5 + windowBytes;
  const sizeAt = dictionaryAt + dictionaryBytes;
  const contentSize =
    sizeBytes === 0 ? undefined : readUint(bytes, sizeAt, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  return {
    kind: 'frame',
    headerLength,
    contentSize,
    windowSize: singleSegment ? (contentSize ?? 0) : windowFrom(bytes[offset + 5] ?? 0),
    singleSegment,
    dictionaryId: readUint(bytes, dictionaryAt, dictionaryBytes),
    checksum: (descriptor & 0x04) !== 0,
  };
}

function contentSizeBytes(flag: number, singleSegment: boolean): number {
  if (flag === 0) return singleSegment ? 1 : 0;
  return 1 << flag;
}

/** RFC 8878, 3.1.1.1.2: an exponent of 5 bits above 10, a mantissa of 3. */
function windowFrom(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

export type ZstdBlockType = 'raw' | 'rle' | 'compressed';

export interface ZstdBlockHeader {
  readonly last: boolean;
  readonly type: ZstdBlockType;
  /** Bytes that follow the 3 of the header. */
  readonly encodedLength: number;
  /** Decoded bytes: exact for `raw` and `rle`, at most this many for `compressed`. */
  readonly decodedBound: number;
}

/**
 * Reads the block header at `offset`.
 * @returns undefined when its 3 bytes are not complete yet.
 * @throws RamferryError ERR_STREAM_CODEC when it can be no block.
 */
export function parseZstdBlockHeader(bytes: Uint8Array, offset: number): ZstdBlockHeader | undefined {
  if (bytes.length - offset < ZSTD_BLOCK_HEADER) return undefined;
  const word = readUint(bytes, offset, ZSTD_BLOCK_HEADER);
  const last = (word & 1) !== 0;
  const size = word >> 3;
  if (size > ZSTD_BLOCK_MAX) throw damaged(`zstd block of ${size} bytes is longer than any may be`);
  switch ((word >> 1) & 3) {
    case 0:
      return { last, type: 'raw', encodedLength: size, decodedBound: size };
    case 1:
      return { last, type: 'rle', encodedLength: 1, decodedBound: size };
    case 2:
      return { last, type: 'compressed', encodedLength: size, decodedBound: ZSTD_BLOCK_MAX };
    default:
      throw damaged('zstd block has the reserved type');
  }
}

export interface ZstdFrameExtent {
  readonly header: ZstdFrameHeader;
  /** The whole frame with header and checksum. */
  readonly encodedLength: number;
  readonly blocks: number;
  /** Fewest decoded bytes, by the block headers. */
  readonly decodedExact: number;
  /** Most decoded bytes, by the block headers. */
  readonly decodedBound: number;
}

/**
 * Walks the frame that starts `bytes`, from block header to block header.
 * @throws RamferryError ERR_STREAM_CODEC when it is damaged, skippable, or ends too early.
 */
export function walkZstdFrame(bytes: Uint8Array): ZstdFrameExtent {
  const header = parseZstdHeader(bytes);
  if (header === undefined) throw damaged('zstd frame ends inside its header');
  if (header.kind === 'skippable') throw damaged('zstd frame is a skippable one');
  let at = header.headerLength;
  let blocks = 0;
  let decodedExact = 0;
  let decodedBound = 0;
  for (;;) {
    const block = parseZstdBlockHeader(bytes, at);
    if (block === undefined) throw damaged('zstd frame ends before its last block');
    blocks += 1;
    decodedBound += block.decodedBound;
    if (block.type !== 'compressed') decodedExact += block.decodedBound;
    at += ZSTD_BLOCK_HEADER + block.encodedLength;
    if (block.last) break;
  }
  const encodedLength = at + (header.checksum ? 4 : 0);
  if (encodedLength > bytes.length) throw damaged('zstd frame is cut');
  return { header, encodedLength, blocks, decodedExact, decodedBound };
}

/** Length of the header that writeZstdHeader() makes. */
export function zstdHeaderLength(contentSize: number): number {
  if (contentSize < 256) return 6;
  if (contentSize < 65536 + 256) return 7;
  return contentSize < 2 ** 32 ? 9 : 13;
}

/**
 * Writes the header of a single-segment frame without dictionary; `dst` has room for zstdHeaderLength(contentSize).
 * @returns its length in bytes.
 */
export function writeZstdHeader(dst: Uint8Array, contentSize: number, checksum: boolean): number {
  const length = zstdHeaderLength(contentSize);
  const sizeBytes = length - 5;
  const sizeFlag = Math.log2(sizeBytes);
  writeUint(dst, 0, 4, ZSTD_MAGIC);
  dst[4] = (sizeFlag << 6) | 0x20 | (checksum ? 0x04 : 0);
  writeUint(dst, 5, sizeBytes, sizeBytes === 2 ? contentSize - 256 : contentSize);
  return length;
}

// Multiplication, not shifts: values reach beyond 32 bits.
function readUint(bytes: Uint8Array, offset: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i -= 1) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}

function writeUint(bytes: Uint8Array, offset: number, length: number, value: number): void {
  let rest = value;
  for (let i = 0; i < length; i += 1) {
    bytes[offset + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

function damaged(message: string): RamferryError {
  return new RamferryError('ERR_STREAM_CODEC', message);
}
