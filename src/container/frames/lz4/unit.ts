// Units of LZ4: one frame each, with independent blocks, content size and content checksum. In front of it stands pzstd's
// skippable frame with the length. LZ4 decoders skip it; ramferry's receiver reads it. All levels above 0 are equal.

import { xxh32 } from '../../../chunk/xxhash.js';
import { RamferryError } from '../../../errors.js';
import { LZ4_BLOCK_HEADER_SIZE, LZ4_TAIL_SIZE, lz4UnitBound, PZSTD_HEADER_SIZE } from '../bounds.js';
import { writePzstdHeader } from '../control.js';
import {
  compressLz4Block,
  decodeLz4Block,
  lz4BlockBound,
  LZ4_STORED,
  parseLz4Header,
  writeLz4Header,
} from './frame.js';
import type { UnitResult } from '../totals.js';
import { unitResult, viewOf, type UnitCoder } from '../unit.js';

export function lz4Units(): UnitCoder {
  return { format: 'lz4', bound: lz4UnitBound, encode, decode };
}

function encode(dst: Uint8Array, src: Uint8Array, level: number): UnitResult {
  const view = viewOf(dst);
  const { length, blockMax } = writeLz4Header(dst.subarray(PZSTD_HEADER_SIZE), src.length);
  let at = PZSTD_HEADER_SIZE + length;
  for (let from = 0; from < src.length; from += blockMax) {
    const block = src.subarray(from, from + blockMax);
    const packed = level === 0 ? undefined : compressLz4Block(block);
    const best = packed !== undefined && packed.length < block.length ? packed : block;
    view.setUint32(at, best === block ? LZ4_STORED + block.length : best.length, true);
    dst.set(best, at + LZ4_BLOCK_HEADER_SIZE);
    at += LZ4_BLOCK_HEADER_SIZE + best.length;
  }
  view.setUint32(at, 0, true);
  view.setUint32(at + 4, xxh32(src), true);
  at += LZ4_TAIL_SIZE;
  writePzstdHeader(dst, at - PZSTD_HEADER_SIZE);
  return unitResult(dst.subarray(0, at), src);
}

function decode(dst: Uint8Array, unit: Uint8Array, offset: number): UnitResult {
  const damaged = (at: number, what: string): RamferryError =>
    new RamferryError('ERR_STREAM_FORMAT', `an LZ4 frame is damaged: ${what}`, { offset: offset + at });
  const view = viewOf(unit);
  let at = PZSTD_HEADER_SIZE;
  const header = parseLz4Header(unit.subarray(at), offset + at);
  // An announced stream comes from ramferry, which writes no linked blocks and no block checksums.
  if (header === undefined || header.linked || header.blockChecksums || !header.contentChecksum) {
    throw damaged(at, 'its header is not as ramferry writes it');
  }
  if (header.contentSize !== dst.length) throw damaged(at, 'it has another size than was announced');
  at += header.length;
  const end = unit.length - LZ4_TAIL_SIZE;
  let filled = 0;
  while (at < end) {
    if (end - at < LZ4_BLOCK_HEADER_SIZE) throw damaged(at, 'a block header is cut');
    const field = view.getUint32(at, true);
    const length = field % LZ4_STORED;
    const room = lz4BlockBound(length, Math.min(header.blockMax, dst.length - filled));
    const block = unit.subarray(at + LZ4_BLOCK_HEADER_SIZE, at + LZ4_BLOCK_HEADER_SIZE + length);
    if (length === 0 || length > end - at - LZ4_BLOCK_HEADER_SIZE)
      throw damaged(at, 'a block has no valid length');
    const decoded = field >= LZ4_STORED ? block : decodeLz4Block(block, room, offset + at);
    if (decoded.length > room) throw damaged(at, 'a block is too long');
    dst.set(decoded, filled);
    filled += decoded.length;
    at += LZ4_BLOCK_HEADER_SIZE + length;
  }
  if (at !== end || view.getUint32(end, true) !== 0) throw damaged(at, 'its end mark is missing');
  if (filled !== dst.length) throw damaged(at, 'it is shorter than was announced');
  if (view.getUint32(end + 4, true) !== xxh32(dst)) {
    throw new RamferryError('ERR_STREAM_CHECKSUM', 'an LZ4 frame decodes to other bytes than were sent', {
      offset,
    });
  }
  return unitResult(unit, dst);
}
