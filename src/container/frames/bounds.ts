// The most bytes that a unit of each frame format can take. Loads no codec and no coder, so that a sender can plan its memory
// before it needs either.

import { ZSTD_BLOCK_HEADER, ZSTD_BLOCK_MAX, ZSTD_HEADER_MAX } from '../../codec/zstd-frame.js';
import { MIB } from '../../units.js';
import { type FrameFormat, RECORD_SIZE } from './record.js';

/** pzstd's skippable frame: magic, 4, and the number of bytes up to the next one. */
export const PZSTD_HEADER_SIZE = 12;
/** Fixed bytes of our gzip header before the record: 10 of gzip, extra length 2, subfield "RF" and its length 4. */
export const GZIP_RECORD_OFFSET = 16;
export const GZIP_UNIT_HEADER_SIZE = GZIP_RECORD_OFFSET + RECORD_SIZE.chunk;
/** CRC-32 of the decoded bytes, and their number modulo 2^32. */
export const GZIP_TAIL_SIZE = 8;
/** Magic 4, flags 1, block descriptor 1, content size 8, dictionary 4, header checksum 1. */
export const MAX_LZ4_HEADER = 19;
export const LZ4_BLOCK_HEADER_SIZE = 4;
/** End mark and content checksum. */
export const LZ4_TAIL_SIZE = 8;
export const ZSTD_CHECKSUM_SIZE = 4;

/** Room for raw blocks, and for libzstd's worst case (its compressBound): with less, some bindings give up early. */
export function zstdUnitBound(decodedLength: number): number {
  const blocks = Math.floor(decodedLength / ZSTD_BLOCK_MAX) + 1;
  const framing = PZSTD_HEADER_SIZE + ZSTD_HEADER_MAX + blocks * ZSTD_BLOCK_HEADER + ZSTD_CHECKSUM_SIZE;
  return framing + decodedLength + (decodedLength >>> 8) + 64;
}

export function lz4UnitBound(decodedLength: number): number {
  const blocks = Math.ceil(decodedLength / (4 * MIB)) + 1;
  return PZSTD_HEADER_SIZE + MAX_LZ4_HEADER + decodedLength + blocks * LZ4_BLOCK_HEADER_SIZE + LZ4_TAIL_SIZE;
}

/** Room for zlib's worst case (its deflateBound) with our header. */
export function gzipUnitBound(decodedLength: number): number {
  return GZIP_UNIT_HEADER_SIZE + decodedLength + (decodedLength >>> 10) + 64 + GZIP_TAIL_SIZE;
}

/** Bytes that a unit of `decodedLength` decoded bytes can take. */
export function unitBound(format: FrameFormat, decodedLength: number): number {
  return { zstd: zstdUnitBound, lz4: lz4UnitBound, zlib: gzipUnitBound }[format](decodedLength);
}
