// `inspect`: walks a native stream and says what it is made of, without decoding it; with `verify` every chunk is decoded
// and everything is checked. Takes a byte source, promises a report or the error that `receive` would give.

import { Buffer } from 'node:buffer';

import { rangeIsSealed } from '../chunk/checksum.js';
import { CHUNK_HEADER_BYTES, CHUNK_OVERHEAD, readChunkHeader, RECORD } from '../chunk/record.js';
import { type CodecName, codecName } from '../codec/codec.js';
import {
  END_RECORD_BYTES,
  readStreamHeader,
  STREAM_HEADER_BYTES,
  type StreamHeader,
  Totals,
} from '../container/native.js';
import { RamferryError } from '../errors.js';
import type { ByteSource } from '../io/bytes.js';
import { ExactReader } from '../io/exact-reader.js';
import { parseAddress } from '../link/address.js';
import { openInput } from '../link/open.js';
import { receive } from './receive.js';
import type { PageCounts } from './statistics.js';

/** Figures of one kind of chunk, by codec. */
export interface KindReport {
  chunks: number;
  /** Bytes of the decoded stream. */
  decoded: number;
  /** Bytes of the records. */
  encoded: number;
}

export interface InspectReport {
  readonly header: StreamHeader;
  readonly chunks: number;
  readonly decodedBytes: number;
  readonly streamBytes: number;
  readonly pages: Readonly<PageCounts>;
  /** Bytes of operations, skeleton and deltas that were compressed along with the pages. */
  readonly skeletonBytes: number;
  readonly codecs: Readonly<Partial<Record<CodecName, KindReport>>>;
  /** Shortest and longest chunk, decoded bytes. */
  readonly smallestChunk: number;
  readonly largestChunk: number;
}

/**
 * Walks the records of a native stream, in the order in which they stand. Verifies the checksum of every record, the
 * order and the totals; decodes nothing.
 * @throws what `receive` throws for the same damage, as far as it shows without decoding
 */
export async function inspectNative(source: ByteSource): Promise<InspectReport> {
  const reader = new ExactReader(source);
  const head = Buffer.alloc(STREAM_HEADER_BYTES);
  await reader.exactly(head);
  const header = readStreamHeader(head);
  const totals = new Totals();
  const codecs: Partial<Record<CodecName, KindReport>> = {};
  let record = Buffer.alloc(65_536);
  const stored = { same: 0, delta: 0 };
  let skeletonBytes = 0;
  let smallestChunk = Infinity;
  let largestChunk = 0;
  for (let index = 1; ; index++) {
    const place = { record: index, offset: reader.offset };
    if (!(await reader.fill(record.subarray(0, 8)))) {
      throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends without an END record', place);
    }
    const type = record.readUInt32LE(0);
    if (type === RECORD.end) {
      await reader.exactly(record.subarray(8, END_RECORD_BYTES));
      const offset = reader.offset;
      if (header.window === 1) totals.verify(record.subarray(0, END_RECORD_BYTES), place);
      if ((await reader.some(Buffer.alloc(1))) > 0) {
        throw new RamferryError('ERR_STREAM_TRAILING', 'bytes follow the END record', { offset });
      }
      break;
    }
    if (type !== RECORD.chunk) {
      throw new RamferryError('ERR_STREAM_FORMAT', `unknown record type ${type}`, place);
    }
    await reader.exactly(record.subarray(8, CHUNK_HEADER_BYTES));
    const chunk = readChunkHeader(record, 0, header.maxChunk, header.storeBytes > 0);
    const length = chunk.bodyLength + CHUNK_OVERHEAD;
    if (length > record.length) {
      const larger = Buffer.alloc(length);
      record.copy(larger, 0, 0, CHUNK_HEADER_BYTES);
      record = larger;
    }
    await reader.exactly(record.subarray(CHUNK_HEADER_BYTES, length));
    if (!rangeIsSealed(record, 0, length - 8)) {
      throw new RamferryError('ERR_STREAM_CHECKSUM', 'a chunk record does not match its checksum', {
        ...place,
        sequence: chunk.sequence,
      });
    }
    totals.add(chunk, length, record.readBigUInt64LE(length - 8));
    const kind = (codecs[codecName(chunk.codec)!] ??= { chunks: 0, decoded: 0, encoded: 0 });
    kind.chunks++;
    kind.decoded += chunk.decodedLength;
    kind.encoded += length;
    stored.same += chunk.same;
    stored.delta += chunk.delta;
    skeletonBytes += chunk.plainLength - chunk.literal * 4096;
    smallestChunk = Math.min(smallestChunk, chunk.decodedLength);
    largestChunk = Math.max(largestChunk, chunk.decodedLength);
  }
  return {
    header,
    chunks: totals.chunks,
    decodedBytes: totals.decodedBytes,
    streamBytes: reader.offset,
    pages: { zero: totals.zero, literal: totals.literal, duplicate: totals.duplicate, ...stored },
    skeletonBytes,
    codecs,
    smallestChunk: totals.chunks === 0 ? 0 : smallestChunk,
    largestChunk,
  };
}

export interface InspectOptions {
  /** Decode every chunk and check everything, as `receive` does. */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
}

/** Walks the stream at an address (docs/INTEGRATION.md); see {@link inspectNative}. */
export async function inspect(address: string, options: InspectOptions = {}): Promise<InspectReport> {
  const { source } = await openInput(parseAddress(address), { signal: options.signal });
  let report: InspectReport;
  try {
    report = await inspectNative(source!);
  } finally {
    await source!.close();
  }
  if (options.verify === true) {
    const { signal } = options;
    await receive({ input: address, output: '/dev/null', ...(signal === undefined ? {} : { signal }) });
  }
  return report;
}
