// From the bytes of a chunk to its record: plan, codec, seal. Only the codec step may be asynchronous.
// Takes filled memory and leaves a whole record in the output. The same bytes and settings give the same record.

import type { Buffer } from 'node:buffer';

import { CODEC_ID, type Codec } from '../codec/codec.js';
import { RamferryError } from '../errors.js';
import { copyBytes } from '../page/copy.js';
import { checksum, sealRange } from './checksum.js';
import { MAX_PLAIN_EXCESS, OPERATIONS_CAPACITY, type Plan, type PlanInput, type Planner } from './plan.js';
import { CHUNK_HEADER_BYTES, CHUNK_OVERHEAD, type ChunkHeader, writeChunkHeader } from './record.js';
import type { StorePlan, StoreTally } from './store-plan.js';

/** A shorter body goes stored: a codec would save less than its call costs. */
const MIN_CODEC_BYTES = 64;

export interface ChunkPlace {
  readonly sequence: number;
  readonly needs: number;
  readonly offset: number;
}

/** How a chunk is encoded; codec undefined = stored. */
export interface ChunkCoding {
  readonly codec: Codec | undefined;
  readonly level: number;
  /** Also skip the search for zero and duplicate pages. */
  readonly storeOnly?: boolean;
}

/** The chunk's turn at the page store. */
export interface StoreTurn {
  /** Undefined for a chunk that does not use the store. It has a turn all the same, because other chunks wait for it. */
  readonly plan: StorePlan | undefined;
  /** Returns when the chunks that this one needs have had their turns. */
  begin(): void;
  /** Reports that the store holds this chunk's pages. */
  end(): void;
}

/** What is asked of one encoding, besides the bytes and the place of the record. */
export interface ChunkRequest {
  readonly place: ChunkPlace;
  readonly coding: ChunkCoding;
  /** Of a stream with a page store; ends before the codec begins, unless the plan is dry. */
  readonly turn?: StoreTurn | undefined;
}

export interface Encoded {
  readonly header: ChunkHeader;
  /** Valid until the next chunk. */
  readonly store: StoreTally | undefined;
  /** Bytes of the whole record. */
  readonly length: number;
}

/** Room that a record of a chunk of `bytes` bytes can need. */
export function recordCapacity(bytes: number): number {
  return bytes + CHUNK_OVERHEAD + MAX_PLAIN_EXCESS;
}

/** Writes the record to out[at, …); `out` must have recordCapacity(input.length) bytes there. */
export async function encodeChunk(
  planner: Planner,
  input: PlanInput,
  { place, coding, turn }: ChunkRequest,
  out: Buffer,
  at: number,
): Promise<Encoded> {
  // Taken before the plan, which may move or overwrite input.
  const decodedChecksum = checksum(inputBytes(input));
  turn?.begin();
  const plan = coding.storeOnly
    ? planner.store(input)
    : planner.plan(input, turn?.plan, coding.codec !== undefined);
  if (turn?.plan?.dry !== true) turn?.end();
  const bodyAt = at + CHUNK_HEADER_BYTES;
  const encoded = await runCodec(plan, coding, out, bodyAt);
  const stored = encoded < 0;
  if (stored) copyBytes(out, bodyAt, plan.body, 0, plan.body.length);
  const header: ChunkHeader = {
    bodyLength: stored ? plan.body.length : encoded,
    ...place,
    decodedLength: input.length,
    plainLength: plan.body.length,
    operationsLength: plan.operationsLength,
    codec: stored || coding.codec === undefined ? CODEC_ID.none : CODEC_ID[coding.codec.name],
    zero: plan.zero,
    literal: plan.literal,
    duplicate: plan.duplicate,
    same: plan.same,
    delta: plan.delta,
    decodedChecksum,
  };
  writeChunkHeader(out, at, header);
  const end = bodyAt + header.bodyLength;
  sealRange(out, at, end);
  return { header, store: plan.store, length: header.bodyLength + CHUNK_OVERHEAD };
}

function inputBytes(input: PlanInput): Buffer {
  const start = OPERATIONS_CAPACITY;
  return input.front.subarray(start, start + input.length);
}

async function runCodec(plan: Plan, coding: ChunkCoding, out: Buffer, at: number): Promise<number> {
  const { codec, level } = coding;
  if (codec === undefined || codec.name === 'none' || level === 0) return -1;
  if (plan.body.length < MIN_CODEC_BYTES) return -1;
  // One byte less than the body: a result that does not shrink it does not fit.
  const room = out.subarray(at, at + plan.body.length - 1);
  try {
    const result = codec.compress(room, plan.body, level);
    return typeof result === 'number' ? result : await result;
  } catch (thrown) {
    throw new RamferryError('ERR_INTERNAL', `codec ${codec.name} (${codec.binding}) failed to compress`, {
      cause: thrown,
    });
  }
}
