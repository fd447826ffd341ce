// The largest size of a unit in each frame format. Loads no codec and no coder, so a sender can plan its memory before it needs
// either.

import { ZSTD_BLOCK_HEADER, ZSTD_BLOCK_MAX, ZSTD_HEADER_MAX } from '../../codec/zstd-frame.js';
import { MIB } from '../../units.js';
import { type FrameFormat, RECORD_SIZE } from './record.js';

/** Bytes of pzstd's skippable frame: magic, content length (4), and the length of the frame that follows. */
export const PZSTD_HEADER_SIZE = 12;
/** Bytes of ramferry's gzip header before the record: gzip header 10, extra length 2, subfield "RF" and its length 4. */
export const GZIP_RECORD_OFFSET = 16;
export const GZIP_UNIT_HEADER_SIZE = GZIP_RECORD_OFFSET + RECORD_SIZE.chunk;
/** Bytes of the CRC-32 of the decoded bytes, and of their number modulo 2^32. */
export const GZIP_TAIL_SIZE = 8;
/** Bytes: magic 4, flags 1, block descriptor 1, content size 8, dictionary 4, header checksum 1. */
export const MAX_LZ4_HEADER = 19;
export const LZ4_BLOCK_HEADER_SIZE = 4;
/** Bytes of end mark and content checksum. */
export const LZ4_TAIL_SIZE = 8;
export const ZSTD_CHECKSUM_SIZE = 4;

/** Covers raw blocks, and libzstd's worst case (its compressBound): with less room, some bindings stop with an error. */
export function zstdUnitBound(decodedLength: number): number {
  const blocks = Math.floor(decodedLength / ZSTD_BLOCK_MAX) + 1;
  const framing = PZSTD_HEADER_SIZE + ZSTD_HEADER_MAX + blocks * ZSTD_BLOCK_HEADER + ZSTD_CHECKSUM_SIZE;
  return framing + decodedLength + (decodedLength >>> 8) + 64;
}

export function lz4UnitBound(decodedLength: number): number {
  const blocks = Math.ceil(decodedLength / (4 * MIB)) + 1;
  return PZSTD_HEADER_SIZE + MAX_LZ4_HEADER + decodedLength + blocks * LZ4_BLOCK_HEADER_SIZE + LZ4_TAIL_SIZE;
}

/** Covers zlib's worst case (its deflateBound) with ramferry's header. */
export function gzipUnitBound(decodedLength: number): number {
  return GZIP_UNIT_HEADER_SIZE + decodedLength + (decodedLength >>> 10) + 64 + GZIP_TAIL_SIZE;
}

/** Largest size in bytes of a unit with `decodedLength` decoded bytes. */
export function unitBound(format: FrameFormat, decodedLength: number): number {
  return { zstd: zstdUnitBound, lz4: lz4UnitBound, zlib: gzipUnitBound }[format](decodedLength);
}
