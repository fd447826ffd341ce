// The LZ4 frame format (lz4_Frame_format.md, version 1.6.4): the header, and single blocks with lz4-napi.
// Works on plain bytes; the callers walk the frame.

import type * as Lz4Napi from 'lz4-napi';

import { xxh32 } from '../../../chunk/xxhash.js';
import { loadModule } from '../../../codec/binding.js';
import { RamferryError } from '../../../errors.js';
import { MAGIC } from '../limits.js';
import { bufferOf, viewOf } from '../unit.js';
import { KIB } from '../../../units.js';

export interface Lz4Header {
  /** Length of the header in bytes, magic included. */
  readonly length: number;
  /** Most decoded bytes of a block. */
  readonly blockMax: number;
  /** Blocks refer to the 64 KiB of decoded bytes before them. */
  readonly linked: boolean;
  readonly blockChecksums: boolean;
  readonly contentChecksum: boolean;
  readonly contentSize: number | undefined;
}

/** The bit of a block's length field that marks a stored block. */
export const LZ4_STORED = 0x80000000;
/** Decoded bytes that a linked block may refer back. */
export const LZ4_WINDOW = 64 * KIB;

const FLAG = {
  version: 0xc0,
  independent: 0x20,
  blockChecksums: 0x10,
  contentSize: 0x08,
  contentChecksum: 0x04,
  reserved: 0x02,
  dictionary: 0x01,
} as const;
const VERSION = 0x40;
const BLOCK_ID = { min: 4, max: 7 } as const;
const SIZE_PREFIX = 4;

/**
 * Maximum decoded bytes of a block: each encoded byte adds at most 255 (lz4_Block_format.md).
 * Without this bound, a block of a few bytes would allocate memory for a full block.
 */
export function lz4BlockBound(encodedLength: number, blockMax: number): number {
  return Math.min(blockMax, 255 * encodedLength + 64);
}

/** Length of the whole header, from the flags at offset 4. */
export function lz4HeaderLength(flags: number): number {
  return 7 + (flags & FLAG.contentSize ? 8 : 0) + (flags & FLAG.dictionary ? 4 : 0);
}

/**
 * @param offset offset of the frame in the stream, for messages
 * @returns undefined while `head` is too short
 */
export function parseLz4Header(head: Uint8Array, offset: number): Lz4Header | undefined {
  if (head.length < 5) return undefined;
  const view = viewOf(head);
  const flags = view.getUint8(4);
  const length = lz4HeaderLength(flags);
  if (head.length < length) return undefined;
  if (view.getUint8(length - 1) !== headerChecksum(head.subarray(4, length - 1))) {
    throw new RamferryError('ERR_STREAM_CHECKSUM', 'an LZ4 frame header is damaged', { offset });
  }
  const descriptor = view.getUint8(5);
  const blockId = descriptor >> 4;
  const known =
    view.getUint32(0, true) === MAGIC.lz4 &&
    (flags & (FLAG.version | FLAG.reserved)) === VERSION &&
    (descriptor & 0x0f) === 0 &&
    blockId >= BLOCK_ID.min &&
    blockId <= BLOCK_ID.max;
  if (!known) {
    throw new RamferryError('ERR_STREAM_FORMAT', 'an LZ4 frame header is of an unknown kind', { offset });
  }
  if (flags & FLAG.dictionary) {
    throw new RamferryError('ERR_STREAM_FEATURE', 'an LZ4 frame needs a dictionary', {
      offset,
      hint: 'Compress without `lz4 -D`.',
    });
  }
  return {
    length,
    blockMax: blockSizeOf(blockId),
    linked: (flags & FLAG.independent) === 0,
    blockChecksums: (flags & FLAG.blockChecksums) !== 0,
    contentChecksum: (flags & FLAG.contentChecksum) !== 0,
    contentSize: flags & FLAG.contentSize ? Number(view.getBigUint64(6, true)) : undefined,
  };
}

/** Writes ramferry's header: independent blocks, content size, content checksum. Returns its length and the block size. */
export function writeLz4Header(
  target: Uint8Array,
  contentSize: number,
): { length: number; blockMax: number } {
  let blockId: number = BLOCK_ID.min;
  while (blockId < BLOCK_ID.max && blockSizeOf(blockId) < contentSize) blockId += 1;
  const flags = VERSION | FLAG.independent | FLAG.contentSize | FLAG.contentChecksum;
  const length = lz4HeaderLength(flags);
  const view = viewOf(target);
  view.setUint32(0, MAGIC.lz4, true);
  view.setUint8(4, flags);
  view.setUint8(5, blockId << 4);
  view.setBigUint64(6, BigInt(contentSize), true);
  view.setUint8(length - 1, headerChecksum(target.subarray(4, length - 1)));
  return { length, blockMax: blockSizeOf(blockId) };
}

let loaded: typeof Lz4Napi | undefined;

/** Loads the native code at the first block that needs it. */
function lz4(): typeof Lz4Napi {
  loaded ??= loadModule('lz4-napi') as typeof Lz4Napi;
  return loaded;
}

/** Compresses one independent block. The result is never empty. */
export function compressLz4Block(src: Uint8Array): Uint8Array {
  return lz4().compressSync(bufferOf(src)).subarray(SIZE_PREFIX);
}

/**
 * Decodes one block.
 * @param maxDecoded most decoded bytes; the binding allocates this much memory
 * @param window the decoded bytes before a linked block, at most LZ4_WINDOW
 */
export function decodeLz4Block(
  block: Uint8Array,
  maxDecoded: number,
  offset: number,
  window?: Uint8Array,
): Uint8Array {
  // The binding expects the decoded size in front of the block. It accepts a size that is too large.
  const prefixed = Buffer.allocUnsafe(SIZE_PREFIX + block.length);
  prefixed.writeUInt32LE(maxDecoded, 0);
  prefixed.set(block, SIZE_PREFIX);
  try {
    return lz4().uncompressSync(prefixed, window);
  } catch (cause) {
    throw new RamferryError('ERR_STREAM_CODEC', 'an LZ4 block is damaged', { offset, cause });
  }
}

function blockSizeOf(id: number): number {
  return 1 << (2 * id + 8);
}

function headerChecksum(descriptor: Uint8Array): number {
  return (xxh32(descriptor) >>> 8) & 0xff;
}
