// The chunk record: a header with all that a receiver needs, the encoded body, and a checksum over both
// (docs/FORMAT.md, "Chunk record"). This file only reads and writes the header and knows its limits.

import type { Buffer } from 'node:buffer';

import { CODEC_ID } from '../codec/codec.js';
import { RamferryError } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import { MIB } from '../units.js';
import { CHECKSUM_BYTES } from './checksum.js';
import { OPERATIONS_CAPACITY, plainExcess } from './plan.js';

/** Record types of the native container; 0 is never valid. */
export const RECORD = { chunk: 1, end: 2 } as const;

export const CHUNK_HEADER_BYTES = 80;

/** Bytes that a record adds to its body. */
export const CHUNK_OVERHEAD = CHUNK_HEADER_BYTES + CHECKSUM_BYTES;

/** A chunk decodes to 1 byte at least and to this many at most; streams above the default announce it. */
export const MAX_CHUNK_BYTES = 64 * MIB;

export interface ChunkHeader {
  /** Bytes of the encoded body. */
  bodyLength: number;
  sequence: number;
  /** So many chunks from the start of the stream must be complete before this one may be decoded. */
  needs: number;
  /** Position of the chunk's first byte in the decoded stream. */
  offset: number;
  decodedLength: number;
  /** Bytes of operations and content before the codec. */
  plainLength: number;
  operationsLength: number;
  codec: number;
  zero: number;
  literal: number;
  /** Pages equal to one of this chunk or of the page store. */
  duplicate: number;
  same: number;
  delta: number;
  /** XXH64 of the decoded bytes. */
  decodedChecksum: bigint;
}

export function writeChunkHeader(out: Buffer, at: number, header: ChunkHeader): void {
  out.writeUInt32LE(RECORD.chunk, at);
  out.writeUInt32LE(header.bodyLength, at + 4);
  out.writeBigUInt64LE(BigInt(header.sequence), at + 8);
  out.writeBigUInt64LE(BigInt(header.needs), at + 16);
  out.writeBigUInt64LE(BigInt(header.offset), at + 24);
  out.writeUInt32LE(header.decodedLength, at + 32);
  out.writeUInt32LE(header.plainLength, at + 36);
  out.writeUInt32LE(header.operationsLength, at + 40);
  out.writeUInt8(header.codec, at + 44);
  out.fill(0, at + 45, at + 48);
  out.writeUInt32LE(header.zero, at + 48);
  out.writeUInt32LE(header.literal, at + 52);
  out.writeUInt32LE(header.duplicate, at + 56);
  out.writeUInt32LE(header.same, at + 60);
  out.writeUInt32LE(header.delta, at + 64);
  out.writeUInt32LE(0, at + 68);
  out.writeBigUInt64LE(header.decodedChecksum, at + 72);
}

function readSafe(bytes: Buffer, at: number, what: string): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RamferryError('ERR_STREAM_LIMIT', `a chunk's ${what} exceeds 2^53`);
  }
  return Number(value);
}

/**
 * Reads and checks a header: every length against its limit, every enumeration against its values. The caller checks what
 * depends on the stream (sequence, offset, reorder window).
 * @param maxDecoded most bytes that a chunk of this stream may decode to
 * @param store whether the stream has a page store
 * @throws ERR_STREAM_FORMAT, ERR_STREAM_LIMIT
 */
export function readChunkHeader(bytes: Buffer, at: number, maxDecoded: number, store = false): ChunkHeader {
  const header: ChunkHeader = {
    bodyLength: bytes.readUInt32LE(at + 4),
    sequence: readSafe(bytes, at + 8, 'sequence number'),
    needs: readSafe(bytes, at + 16, '`needs`'),
    offset: readSafe(bytes, at + 24, 'offset'),
    decodedLength: bytes.readUInt32LE(at + 32),
    plainLength: bytes.readUInt32LE(at + 36),
    operationsLength: bytes.readUInt32LE(at + 40),
    codec: bytes.readUInt8(at + 44),
    zero: bytes.readUInt32LE(at + 48),
    literal: bytes.readUInt32LE(at + 52),
    duplicate: bytes.readUInt32LE(at + 56),
    same: bytes.readUInt32LE(at + 60),
    delta: bytes.readUInt32LE(at + 64),
    decodedChecksum: bytes.readBigUInt64LE(at + 72),
  };
  const { decodedLength, plainLength, operationsLength, bodyLength, codec } = header;
  if (decodedLength > maxDecoded) {
    throw new RamferryError(
      'ERR_STREAM_LIMIT',
      `a chunk claims ${decodedLength} decoded bytes; this stream announced at most ${maxDecoded}`,
    );
  }
  const fromStore = header.same + header.delta;
  const pages = header.zero + header.literal + header.duplicate + fromStore;
  const sound =
    decodedLength > 0 &&
    operationsLength > 0 &&
    operationsLength <= OPERATIONS_CAPACITY &&
    operationsLength <= plainLength &&
    plainLength <= decodedLength + plainExcess(store) &&
    (codec === CODEC_ID.none ? bodyLength === plainLength : bodyLength > 0 && bodyLength < plainLength) &&
    codec >= CODEC_ID.none &&
    codec <= CODEC_ID.zlib &&
    header.needs <= header.sequence &&
    pages * PAGE_BYTES <= decodedLength &&
    bytes.readUIntLE(at + 45, 3) === 0 &&
    (store || fromStore === 0) &&
    bytes.readUInt32LE(at + 68) === 0;
  if (!sound) {
    throw new RamferryError('ERR_STREAM_FORMAT', "a chunk's header contradicts itself", {
      sequence: header.sequence,
    });
  }
  return header;
}
