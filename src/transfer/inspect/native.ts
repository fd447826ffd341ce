// Walks a native stream without decoding it. Verifies the checksum of every record, the order and the totals.

import { Buffer } from 'node:buffer';

import {
  CHUNK_HEADER_BYTES,
  CHUNK_OVERHEAD,
  type ChunkHeader,
  readChunkHeader,
  RECORD,
} from '../../chunk/record.js';
import { ChunkOrder } from '../../container/chunk-order.js';
import { END_RECORD_BYTES, readStreamHeader, STREAM_HEADER_BYTES, Totals } from '../../container/native.js';
import { RamferryError } from '../../errors.js';
import type { ByteSource } from '../../io/bytes.js';
import { ExactReader } from '../../io/exact-reader.js';
import { located } from '../receiver/located.js';
import { checkPosition, checkSeal, RecordCount } from './record-count.js';
import type { NativeReport } from './report.js';

/** A chunk that has come, and what the totals need of it. */
interface Come {
  readonly header: ChunkHeader;
  readonly length: number;
  readonly checksum: bigint;
  readonly place: { readonly record: number; readonly offset: number };
}

/**
 * @param head bytes of the source that were read already
 * @throws what `receive` throws for the same damage, as far as it shows without decoding
 */
export async function inspectNative(source: ByteSource, head: Uint8Array): Promise<NativeReport> {
  const reader = new ExactReader(source, head);
  const first = Buffer.alloc(STREAM_HEADER_BYTES);
  await at({ record: 0, offset: 0 }, () => reader.exactly(first));
  const header = readStreamHeader(first);
  const order = new ChunkOrder(header.window);
  const totals = new Totals();
  const count = new RecordCount();
  /** Chunks that wait for their turn. */
  const waiting = new Map<number, Come>();
  let record = Buffer.alloc(65_536);
  for (let index = 1; ; index++) {
    const place = { record: index, offset: reader.offset };
    const begun = await at(place, () => reader.fill(record.subarray(0, 8)));
    if (!begun) {
      throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends without an END record', place);
    }
    const type = record.readUInt32LE(0);
    if (type === RECORD.end) {
      await at(place, () => reader.exactly(record.subarray(8, END_RECORD_BYTES)));
      order.complete(place);
      totals.verify(record.subarray(0, END_RECORD_BYTES), place);
      break;
    }
    if (type !== RECORD.chunk) {
      throw new RamferryError('ERR_STREAM_FORMAT', `unknown record type ${type}`, place);
    }
    await at(place, async () => {
      await reader.exactly(record.subarray(8, CHUNK_HEADER_BYTES));
      const chunk = readChunkHeader(record, 0, header.maxChunk, header.storeBytes > 0);
      order.accept(chunk);
      const length = chunk.bodyLength + CHUNK_OVERHEAD;
      if (length > record.length) {
        const larger = Buffer.alloc(length);
        record.copy(larger, 0, 0, CHUNK_HEADER_BYTES);
        record = larger;
      }
      await reader.exactly(record.subarray(CHUNK_HEADER_BYTES, length));
      checkSeal(record.subarray(0, length), chunk);
      count.addRecord(chunk, length);
      const checksum = record.readBigUInt64LE(length - 8);
      waiting.set(chunk.sequence, { header: chunk, length, checksum, place });
    });
    for (let next = waiting.get(totals.chunks); next !== undefined; next = waiting.get(totals.chunks)) {
      const come = next;
      await at(come.place, () => checkPosition(come.header, totals.decodedBytes));
      waiting.delete(totals.chunks);
      totals.add(come.header, come.length, come.checksum);
    }
  }
  const offset = reader.offset;
  if ((await reader.some(Buffer.alloc(1))) > 0) {
    throw new RamferryError('ERR_STREAM_TRAILING', 'bytes follow the END record', { offset });
  }
  const { pages, skeletonBytes } = count;
  return {
    container: 'native',
    header,
    decodedBytes: totals.decodedBytes,
    streamBytes: offset,
    ...count.figures,
    pages,
    skeletonBytes,
  };
}

/** Errors of the work say in which record they happened. */
async function at<T>(place: { record: number; offset: number }, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw located(thrown, place);
  }
}
