// What the chunk tests share: chunks made of pieces, planned and encoded in shared memory, and records decoded with a
// guard around the output. Nothing here is imported by src.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';

import fc from 'fast-check';

import { sealRange } from '../../src/chunk/checksum.js';
import { decodeChunk } from '../../src/chunk/decode.js';
import { type ChunkCoding, encodeChunk, type Encoded, recordCapacity } from '../../src/chunk/encode.js';
import { Expander } from '../../src/chunk/expand.js';
import { OPERATIONS_CAPACITY, type PlanInput, Planner } from '../../src/chunk/plan.js';
import { type ChunkHeader, readChunkHeader } from '../../src/chunk/record.js';
import { SEGMENT } from '../../src/chunk/segments.js';
import type { Codec, CodecName } from '../../src/codec/codec.js';
import { openCodec } from '../../src/codec/registry.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { noise } from '../codec/support.js';

export type Piece =
  | { readonly kind: 'skeleton'; readonly bytes: Uint8Array }
  | { readonly kind: 'words'; readonly words: readonly bigint[]; readonly bigEndian: boolean }
  /** Each number is a page: 0 is all zero, equal numbers are equal pages. */
  | { readonly kind: 'pages'; readonly pages: readonly number[] };

/** Page number `seed`: 0 is zero, the rest a mixture of what does and what does not compress. */
export function page(seed: number): Uint8Array {
  if (seed === 0) return new Uint8Array(PAGE_BYTES);
  const bytes = new Uint8Array(PAGE_BYTES).fill(seed);
  // A page whose only byte other than zero is the last: a wrong scan misses it.
  if (seed % 5 === 1) return bytes.fill(0, 0, PAGE_BYTES - 1);
  bytes.set(noise(seed % 2 === 0 ? 200 : PAGE_BYTES, seed + 1));
  return bytes;
}

function bytesOfPiece(piece: Piece): Uint8Array {
  if (piece.kind === 'skeleton') return piece.bytes;
  if (piece.kind === 'pages') return Buffer.concat(piece.pages.map(page));
  const bytes = Buffer.alloc(piece.words.length * 8);
  piece.words.forEach((word, index) => {
    if (piece.bigEndian) bytes.writeBigUInt64BE(word, index * 8);
    else bytes.writeBigUInt64LE(word, index * 8);
  });
  return bytes;
}

function segmentOfPiece(piece: Piece): [kind: number, count: number] {
  if (piece.kind === 'skeleton') return [SEGMENT.skeleton, piece.bytes.length];
  if (piece.kind === 'pages') return [SEGMENT.pages, piece.pages.length];
  return [piece.bigEndian ? SEGMENT.wordsBE : SEGMENT.wordsLE, piece.words.length];
}

export function bytesOf(pieces: readonly Piece[]): Buffer {
  return Buffer.concat(pieces.map(bytesOfPiece));
}

/** Shared memory at an odd offset, so that nothing may rely on alignment. */
export function sharedBuffer(length: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(length + 3), 3, length);
}

/** The chunk as a worker finds it: headroom, then the input. */
export function inputOf(pieces: readonly Piece[]): PlanInput {
  const bytes = bytesOf(pieces);
  const front = sharedBuffer(OPERATIONS_CAPACITY + bytes.length);
  front.set(bytes, OPERATIONS_CAPACITY);
  return {
    front,
    length: bytes.length,
    segments: Int32Array.from(pieces.flatMap(segmentOfPiece)),
    segmentCount: pieces.length,
  };
}

export function planner(length: number): Planner {
  return new Planner(length);
}

export function expander(length: number): Expander {
  return new Expander(Math.ceil(length / PAGE_BYTES));
}

const open = new Map<string, Codec>();

/** Codecs of this thread, each opened once. */
export function codec(name: CodecName, binding?: string): Codec {
  const key = `${name}/${binding ?? ''}`;
  let found = open.get(key);
  if (found === undefined) open.set(key, (found = openCodec(name, { binding })));
  return found;
}

export const STORED: ChunkCoding = { codec: undefined, level: 0, storeOnly: false };

export const PLACE = { sequence: 5, needs: 0, offset: 1_000_000 };

export async function encodePieces(
  pieces: readonly Piece[],
  coding: ChunkCoding = STORED,
  place = PLACE,
): Promise<Encoded & { readonly record: Buffer }> {
  const input = inputOf(pieces);
  const at = 9;
  const out = sharedBuffer(at + recordCapacity(input.length)).fill(0xa5);
  const encoded = await encodeChunk(planner(input.length), input, { place, coding }, out, at);
  assert.ok(
    out.subarray(0, at).every((byte) => byte === 0xa5),
    'nothing is written before the record',
  );
  return { ...encoded, record: Buffer.from(out.subarray(at, at + encoded.length)) };
}

const GUARD = 64;

/**
 * Decodes a record that is whole, as the receiver does, and checks that nothing around the output was touched.
 * @param maxDecoded what the stream's header announced
 */
export async function decodeRecord(
  record: Buffer,
  maxDecoded: number,
  open: (name: CodecName) => Codec = codec,
): Promise<{ header: ChunkHeader; bytes: Buffer }> {
  const header = readChunkHeader(record, 0, maxDecoded);
  const memory = sharedBuffer(header.decodedLength + 2 * GUARD).fill(0x5a);
  const out = memory.subarray(GUARD, GUARD + header.decodedLength);
  const tools = {
    expander: expander(maxDecoded),
    scratch: sharedBuffer(recordCapacity(maxDecoded)),
    codec: open,
  };
  try {
    await decodeChunk(tools, header, record, out);
  } finally {
    const untouched = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0x5a);
    assert.ok(untouched(memory.subarray(0, GUARD)), 'wrote before the output');
    assert.ok(untouched(memory.subarray(GUARD + header.decodedLength)), 'wrote behind the output');
  }
  return { header, bytes: out };
}

/** Makes a record's checksum fit its bytes again. */
export function reseal(record: Buffer): Buffer {
  sealRange(record, 0, record.length - 8);
  return record;
}

const skeletonPiece: fc.Arbitrary<Piece> = fc
  .tuple(
    fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(14, 15, 16, 141, 142, 143, 5000)),
    fc.nat(200),
  )
  .map(([length, seed]) => ({ kind: 'skeleton', bytes: noise(length, seed + 1) }));

const MASK = 2n ** 64n - 1n;

/** Words as streams have them: progressions, lists and nonsense. */
const wordsPiece: fc.Arbitrary<Piece> = fc
  .tuple(
    fc.boolean(),
    fc.array(
      fc.oneof(
        fc.bigInt({ min: 0n, max: MASK }).map((word) => [word]),
        fc
          .tuple(
            fc.bigInt({ min: 0n, max: MASK }),
            fc.constantFrom(1n, -1n, 4096n, 0n, 2n ** 31n, 2n ** 32n, -(2n ** 31n)),
            fc.integer({ min: 2, max: 40 }),
          )
          .map(([from, stride, count]) =>
            Array.from({ length: count }, (_, index) => (from + stride * BigInt(index)) & MASK),
          ),
      ),
      { minLength: 1, maxLength: 6 },
    ),
  )
  .map(([bigEndian, runs]) => ({ kind: 'words', words: runs.flat(), bigEndian }));

const pagesPiece: fc.Arbitrary<Piece> = fc
  .array(fc.oneof({ weight: 1, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(7) }), {
    minLength: 1,
    maxLength: 20,
  })
  .map((pages) => ({ kind: 'pages', pages }));

/** Any segment table. */
export const chunks: fc.Arbitrary<Piece[]> = fc.array(fc.oneof(skeletonPiece, wordsPiece, pagesPiece), {
  minLength: 1,
  maxLength: 12,
});
