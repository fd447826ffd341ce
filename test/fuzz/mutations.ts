// Mutations of native streams: blind ones, and ones that know the format. The latter make the checksums fit afterwards,
// so that mutants also reach the code behind the checksums.

import { Buffer } from 'node:buffer';

import { checksum, sealRange } from '../../src/chunk/checksum.js';
import {
  CHUNK_HEADER_BYTES,
  CHUNK_OVERHEAD,
  type ChunkHeader,
  readChunkHeader,
  RECORD,
  writeChunkHeader,
} from '../../src/chunk/record.js';
import { PageStore, storeMemoryBytes } from '../../src/chunk/page-store.js';
import { CODEC_ID, codecName } from '../../src/codec/codec.js';
import { END_RECORD_BYTES, STREAM_HEADER_BYTES, Totals } from '../../src/container/native.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { codec, expander } from '../chunk/support.js';
import { type Parts, putTogether } from '../transfer/support/streams.js';
import type { Xorshift32 } from '../../lab/random.js';
import { mutateBlindly, mutateTimes, putEdge } from './blind.js';

/** Larger page stores are not simulated. */
const MAX_STORE_PAGES = 64;

export interface Mutant {
  readonly bytes: Buffer;
  /** Checksums were made to fit, so the mutant may decode to other bytes than the original. */
  readonly sealed: boolean;
}

export function mutate(original: Buffer, others: readonly Buffer[], random: Xorshift32): Mutant {
  const parts = random.below(5) < 2 ? undefined : takeApartIfPossible(original);
  if (parts !== undefined) return { bytes: mutateParts(parts, others, random), sealed: true };
  return { bytes: mutateBlindly(original, others, random), sealed: false };
}

/** The parts of a stream; undefined for an incomplete stream. */
function takeApartIfPossible(stream: Buffer): Parts | undefined {
  const records: Buffer[] = [];
  let at = STREAM_HEADER_BYTES;
  while (stream.length - at > CHUNK_OVERHEAD && stream.readUInt32LE(at) === RECORD.chunk) {
    const length = stream.readUInt32LE(at + 4) + CHUNK_OVERHEAD;
    if (length > stream.length - at) return undefined;
    records.push(Buffer.from(stream.subarray(at, at + length)));
    at += length;
  }
  if (stream.length - at !== END_RECORD_BYTES) return undefined;
  return {
    head: Buffer.from(stream.subarray(0, STREAM_HEADER_BYTES)),
    records,
    end: Buffer.from(stream.subarray(at)),
  };
}

const HEAD_FIELDS: readonly (readonly [at: number, width: number])[] = [
  [8, 4],
  [12, 4],
  [16, 4],
  [20, 4],
  [24, 4],
  [28, 4],
  [32, 8],
  [40, 8],
  [48, 8],
];
const CHUNK_FIELDS: readonly (readonly [at: number, width: number])[] = [
  [0, 4],
  [4, 4],
  [8, 8],
  [16, 8],
  [24, 8],
  [32, 4],
  [36, 4],
  [40, 4],
  [44, 4],
  [48, 4],
  [52, 4],
  [56, 4],
  [60, 8],
  [72, 8],
];

function mutateParts(parts: Parts, others: readonly Buffer[], random: Xorshift32): Buffer {
  const head = parts.head;
  let records = [...parts.records];
  let end = parts.end;
  let honestEnd = random.below(4) > 0;
  for (let times = 1 + random.below(3); times > 0; times--) {
    const index = random.below(records.length);
    const record = records[index];
    switch (random.below(record === undefined ? 2 : 9)) {
      case 0:
        putEdge(head, ...random.pick(HEAD_FIELDS), random);
        break;
      case 1:
        putEdge(end, random.below(9) * 8, 8, random);
        honestEnd = random.below(2) > 0;
        break;
      case 2:
        putEdge(record!, ...random.pick(CHUNK_FIELDS), random);
        break;
      case 3:
        record![CHUNK_HEADER_BYTES + random.below(record!.length - CHUNK_OVERHEAD)]! ^= 1 << random.below(8);
        break;
      case 4:
        records = shuffle(records, random);
        break;
      case 5:
        records[index] = withBody(record!, resized(bodyOf(record!), others, random));
        break;
      default:
        records[index] = withPlain(record!, others, random, storeBefore(parts, record!)) ?? record!;
    }
  }
  sealRange(head, 0, STREAM_HEADER_BYTES - 8);
  for (const record of records) sealRange(record, 0, record.length - 8);
  if (honestEnd) end = honestTotals(records) ?? end;
  sealRange(end, 0, END_RECORD_BYTES - 8);
  return putTogether({ head, records, end });
}

function shuffle(records: readonly Buffer[], random: Xorshift32): Buffer[] {
  const copy = records.map((record) => Buffer.from(record));
  const [from, to] = [random.below(copy.length), random.below(copy.length)];
  switch (random.below(3)) {
    case 0:
      copy.splice(from, 1);
      break;
    case 1:
      copy.splice(to, 0, Buffer.from(copy[from]!));
      break;
    default:
      copy.splice(to, 0, ...copy.splice(from, 1));
  }
  return copy;
}

function bodyOf(record: Buffer): Buffer {
  return record.subarray(CHUNK_HEADER_BYTES, record.length - 8);
}

function resized(body: Buffer, others: readonly Buffer[], random: Xorshift32): Buffer {
  return mutateTimes(1 + random.below(3), body, others, random);
}

/** The record with another body. The lengths in its header are adapted where necessary. */
function withBody(record: Buffer, body: Buffer): Buffer {
  const out = Buffer.concat([record.subarray(0, CHUNK_HEADER_BYTES), body, Buffer.alloc(8)]);
  out.writeUInt32LE(body.length, 4);
  if (out.readUInt8(44) === CODEC_ID.none) out.writeUInt32LE(body.length, 36);
  return out;
}

/**
 * The record with its plain body mutated and stored. Lengths, counts and checksum fit its decoded bytes, if it still
 * decodes. In this way operations that no sender writes pass all other checks.
 */
function withPlain(
  record: Buffer,
  others: readonly Buffer[],
  random: Xorshift32,
  store: PageStore | undefined,
): Buffer | undefined {
  const taken = plainOf(record, store !== undefined);
  if (taken === undefined) return undefined;
  const { header, plain } = taken;
  let operations: Buffer = Buffer.from(plain.subarray(0, header.operationsLength));
  let content: Buffer = Buffer.from(plain.subarray(header.operationsLength));
  if (random.below(4) > 0) operations = resized(operations, others, random).subarray(0, 65_536);
  else content = resized(content, others, random);
  const changed = { ...header, codec: CODEC_ID.none, operationsLength: operations.length };
  const body = Buffer.concat([operations, content]);
  changed.bodyLength = changed.plainLength = body.length;
  fit(changed, operations, content, random, store);
  const out = Buffer.alloc(body.length + CHUNK_OVERHEAD);
  writeChunkHeader(out, 0, changed);
  body.copy(out, CHUNK_HEADER_BYTES);
  return out;
}

/** Tries decoded lengths near the old one, and puts the result into the header. */
function fit(
  header: ChunkHeader,
  operations: Buffer,
  content: Buffer,
  random: Xorshift32,
  store: PageStore | undefined,
): void {
  const from = store === undefined ? undefined : { store, needs: header.needs };
  for (const more of [0, 1, -1, 8, 16, -8, 4096, -4096, 8192, random.below(200)]) {
    const length = header.decodedLength + more;
    if (length < 1 || length > 65_536) continue;
    const out = Buffer.alloc(length);
    try {
      Object.assign(header, expander(65_536).expand(operations, content, out, from));
      header.decodedLength = length;
      header.decodedChecksum = checksum(out);
      return;
    } catch {
      // try the next length; without any, the record has to be refused
    }
  }
}

/** A record's header and its plain body; undefined when the record cannot be read. */
function plainOf(record: Buffer, stored: boolean): { header: ChunkHeader; plain: Buffer } | undefined {
  try {
    const header = readChunkHeader(record, 0, 65_536, stored);
    const plain = Buffer.alloc(header.plainLength);
    if (header.codec === CODEC_ID.none) bodyOf(record).copy(plain);
    else
      void codec(
        codecName(header.codec)!,
        header.codec === CODEC_ID.zstd ? 'zstd-napi' : undefined,
      ).decompress(plain, bodyOf(record));
    return { header, plain };
  } catch {
    return undefined;
  }
}

/** The page store before this record, if the earlier records can be read; undefined without a page store. */
function storeBefore({ head, records }: Parts, record: Buffer): PageStore | undefined {
  const pages = Number(head.readBigUInt64LE(32)) / PAGE_BYTES;
  if (!Number.isInteger(pages) || pages < 1 || pages > MAX_STORE_PAGES) return undefined;
  const store = new PageStore(new ArrayBuffer(storeMemoryBytes(pages)));
  for (const earlier of records) {
    if (earlier === record) break;
    const taken = plainOf(earlier, true);
    if (taken === undefined) break;
    const { header, plain } = taken;
    const expanding = expander(65_536);
    const out = Buffer.alloc(header.decodedLength);
    try {
      const operations = plain.subarray(0, header.operationsLength);
      const content = plain.subarray(header.operationsLength);
      expanding.expand(operations, content, out, { store, needs: header.needs });
      expanding.writes.carryOut(store, out, header.sequence);
    } catch {
      break; // the mutated record is decoded all the same
    }
  }
  return store;
}

/** An END record that fits the records; undefined when they cannot be read. */
function honestTotals(records: readonly Buffer[]): Buffer | undefined {
  const totals = new Totals();
  try {
    const headers = records.map((record) => ({ record, header: readChunkHeader(record, 0, 2 ** 26, true) }));
    headers.sort((a, b) => a.header.sequence - b.header.sequence);
    for (const { record, header } of headers) {
      totals.add(header, record.length, record.readBigUInt64LE(record.length - 8));
    }
  } catch {
    return undefined;
  }
  return totals.record();
}
