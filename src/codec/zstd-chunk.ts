// The zstd frame of a chunk: one frame, single segment, content size present and right, no dictionary.
// Every binding makes and takes exactly this, whatever its encoder writes, so that each reads the frames of the others.

import { RamferryError } from '../errors.js';
import { MIB } from '../units.js';
import { walkZstdFrame, writeZstdHeader, zstdHeaderLength, type ZstdFrameExtent } from './zstd-frame.js';

/**
 * The blocks of a frame may announce at most this many times its content, plus SLACK_BYTES. A decoder that returns a buffer finds
 * a false content size only after the last block: without the rule 32 KiB could become 1 GiB before. Encoders split blocks of
 * 128 KiB where that helps, to 17 KiB on average at level 19 (7.6 times). A chunk whose encoder splits further is stored instead.
 */
const MAX_PROMISE = 16;
const SLACK_BYTES = MIB;

/** The window that every zstd decoder accepts (limit of 27 bits). Chunks have at most 64 MiB. */
export const ZSTD_CONTENT_MAX = 2 ** 27;

/** Smallest windowLog that covers `size` bytes; zstd's minimum is 10. */
export function windowLogFor(size: number): number {
  return Math.max(10, 32 - Math.clz32(Math.max(size, 1) - 1));
}

/**
 * Checks a received frame before any native code sees it.
 * @param size the decoded length, from the chunk's header.
 * @throws RamferryError ERR_STREAM_CODEC when it is anything but one frame of exactly that length.
 */
export function checkChunkFrame(src: Uint8Array, size: number): void {
  const frame = walkZstdFrame(src);
  const { contentSize, singleSegment, dictionaryId } = frame.header;
  if (contentSize !== size) {
    const claim = contentSize === undefined ? 'no decoded length' : `a decoded length of ${contentSize}`;
    throw refused(`zstd frame claims ${claim}, not the ${size} bytes that were announced`);
  }
  if (!singleSegment) throw refused('zstd frame of a chunk is not a single segment');
  if (dictionaryId !== 0) throw refused(`zstd frame asks for dictionary ${dictionaryId}`);
  if (frame.encodedLength !== src.length) {
    throw refused(`zstd frame has ${src.length - frame.encodedLength} bytes left over behind its end`);
  }
  if (!keepsPromise(frame, size)) throw refused('zstd frame has blocks for far more than its decoded length');
}

/** Checks what a decoder has made of such a frame. @throws RamferryError ERR_STREAM_CODEC when it is not `size` bytes */
export function checkDecodedLength(length: number, size: number): void {
  if (length === size) return;
  throw refused(`zstd frame holds ${length} bytes, not the ${size} that were announced`);
}

/** The length of the frame at the start of `dst`, or -1 where checkChunkFrame() would refuse it. */
export function acceptOwnFrame(dst: Uint8Array, length: number, size: number): number {
  return keepsPromise(walkZstdFrame(dst.subarray(0, length)), size) ? length : -1;
}

/**
 * Copies a frame with any header into `dst` and gives it the header of a chunk's frame. Streaming encoders leave the content size
 * out; the blocks do not depend on the header.
 * @param checksum of the content: `keep` the frame's, or 4 bytes to append to a frame that has none.
 * @returns the length, or -1 when it does not fit or must not be sent.
 */
export function rewrapFrame(
  dst: Uint8Array,
  frame: Uint8Array,
  size: number,
  checksum: 'keep' | Uint8Array = 'keep',
): number {
  const extent = walkZstdFrame(frame);
  const appended = checksum === 'keep' ? 0 : checksum.length;
  const body = frame.subarray(extent.header.headerLength, extent.encodedLength);
  const length = zstdHeaderLength(size) + body.length + appended;
  if (length > dst.length || !keepsPromise(extent, size)) return -1;
  const bodyAt = writeZstdHeader(dst, size, extent.header.checksum || appended > 0);
  dst.set(body, bodyAt);
  if (checksum !== 'keep') dst.set(checksum, bodyAt + body.length);
  return length;
}

function keepsPromise(frame: ZstdFrameExtent, size: number): boolean {
  return frame.decodedExact <= size && frame.decodedBound <= MAX_PROMISE * size + SLACK_BYTES;
}

function refused(message: string): RamferryError {
  return new RamferryError('ERR_STREAM_CODEC', message);
}
