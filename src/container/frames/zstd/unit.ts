// Units of zstd: pzstd's layout, one frame each, single segment, with content size and content checksum.
// Uses the codec of the caller's thread. A chunk that does not shrink becomes raw blocks.

import { xxh64 } from '../../../chunk/xxhash.js';
import type { ZstdCodec } from '../../../codec/codec.js';
import {
  parseZstdHeader,
  writeZstdHeader,
  ZSTD_BLOCK_HEADER,
  ZSTD_BLOCK_MAX,
} from '../../../codec/zstd-frame.js';
import { RamferryError } from '../../../errors.js';
import { PZSTD_HEADER_SIZE, ZSTD_CHECKSUM_SIZE, zstdUnitBound } from '../bounds.js';
import { writePzstdHeader } from '../control.js';
import { placed, withOffset } from '../place.js';
import type { UnitResult } from '../totals.js';
import { unitResult, viewOf, type UnitCoder } from '../unit.js';
import { noStreamingZstd, zstdFailure } from './binding.js';
import { loadStreamingZstd } from './streaming.js';

export function zstdUnits(codec: ZstdCodec): UnitCoder {
  return {
    format: 'zstd',
    bound: zstdUnitBound,
    encode: (dst, src, level) => {
      const length = codec.compressFrame(dst.subarray(PZSTD_HEADER_SIZE), src, level);
      return typeof length === 'number'
        ? finish(dst, src, length)
        : length.then((value) => finish(dst, src, value));
    },
    decode: (dst, unit, offset) => decode(codec, dst, unit, offset),
  };
}

/** Completes the unit around the frame in `dst`. @param frameLength -1 = `dst` has no frame, so `src` is stored */
function finish(dst: Uint8Array, src: Uint8Array, frameLength: number): UnitResult {
  const length = frameLength < 0 ? store(dst.subarray(PZSTD_HEADER_SIZE), src) : frameLength;
  writePzstdHeader(dst, length);
  return unitResult(dst.subarray(0, PZSTD_HEADER_SIZE + length), src);
}

/** Writes `src` as raw blocks of one frame. Returns the frame's length. */
function store(frame: Uint8Array, src: Uint8Array): number {
  const view = viewOf(frame);
  let at = writeZstdHeader(frame, src.length, true);
  let from = 0;
  do {
    const size = Math.min(ZSTD_BLOCK_MAX, src.length - from);
    // Block type 0 (raw) in bits 1 and 2, last block in bit 0 (RFC 8878, 3.1.1.2).
    const header = (size << 3) | (from + size === src.length ? 1 : 0);
    view.setUint16(at, header & 0xffff, true);
    view.setUint8(at + 2, header >>> 16);
    frame.set(src.subarray(from, from + size), at + ZSTD_BLOCK_HEADER);
    at += ZSTD_BLOCK_HEADER + size;
    from += size;
  } while (from < src.length);
  view.setUint32(at, Number(xxh64(src) & 0xffffffffn), true);
  return at + ZSTD_CHECKSUM_SIZE;
}

function decode(
  codec: ZstdCodec,
  dst: Uint8Array,
  unit: Uint8Array,
  offset: number,
): UnitResult | Promise<UnitResult> {
  const frame = unit.subarray(PZSTD_HEADER_SIZE);
  const header = placed(offset, () => parseZstdHeader(frame));
  if (header?.kind !== 'frame') {
    throw new RamferryError('ERR_STREAM_FORMAT', 'a zstd frame is shorter than its header', { offset });
  }
  const verified = (decoded: Uint8Array): UnitResult => {
    const result = unitResult(unit, decoded);
    const expected = viewOf(unit).getUint32(unit.length - ZSTD_CHECKSUM_SIZE, true);
    if (header.checksum && expected !== Number(result.decodedHash & 0xffffffffn)) {
      throw new RamferryError('ERR_STREAM_CHECKSUM', 'a zstd frame decodes to other bytes than were sent', {
        offset,
      });
    }
    return result;
  };
  // pzstd's frames have a window and do not state their size. The codec decodes only frames of a single segment.
  if (!header.singleSegment) return verified(dst.subarray(0, decodeWindowed(dst, frame, offset)));
  const done = placed(offset, () => codec.decompress(dst, frame));
  if (done === undefined) return verified(dst);
  return done.then(
    () => verified(dst),
    (thrown: unknown) => {
      throw withOffset(thrown, offset);
    },
  );
}

/** Decodes a frame of any kind into `dst`, at most `dst.length` bytes. */
function decodeWindowed(dst: Uint8Array, frame: Uint8Array, offset: number): number {
  const binding = loadStreamingZstd();
  if (binding === undefined) throw noStreamingZstd(offset);
  const context = binding.open();
  try {
    return context.decompress(dst, frame);
  } catch (thrown) {
    throw zstdFailure(thrown, offset);
  } finally {
    context.close?.();
  }
}
