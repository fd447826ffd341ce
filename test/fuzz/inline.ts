// Decodes a native stream in this thread, without a pool, thousands of times a second. It reads headers, chunks and totals
// as the receiver does, and fails with the same errors in the same order.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';

import { decodeChunk } from '../../src/chunk/decode.js';
import { recordCapacity } from '../../src/chunk/encode.js';
import { PageStore, storeMemoryBytes } from '../../src/chunk/page-store.js';
import {
  CHUNK_HEADER_BYTES,
  CHUNK_OVERHEAD,
  type ChunkHeader,
  readChunkHeader,
  RECORD,
} from '../../src/chunk/record.js';
import {
  END_RECORD_BYTES,
  readStreamHeader,
  STREAM_HEADER_BYTES,
  Totals,
} from '../../src/container/native.js';
import { RamferryError } from '../../src/errors.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { codec, expander, sharedBuffer } from '../chunk/support.js';

/** Streams that announce larger chunks are refused, as by a receiver with little memory. */
const MAX_CHUNK_BYTES = 4 * 1024 * 1024;
const MAX_STORE_BYTES = 1024 * 1024;

const GUARD = 16;

/** Memory for any chunk, with a guard on either side; allocated once. */
const scratch = sharedBuffer(recordCapacity(MAX_CHUNK_BYTES));
const output = sharedBuffer(MAX_CHUNK_BYTES + 2 * GUARD);

export interface Decoded {
  readonly bytes: Buffer;
  readonly headers: readonly ChunkHeader[];
}

interface Arrival {
  readonly header: ChunkHeader;
  readonly record: Buffer;
  readonly outcome: Buffer | RamferryError;
}

function order(what: string): RamferryError {
  return new RamferryError('ERR_STREAM_ORDER', what);
}

function truncated(): RamferryError {
  return new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends early');
}

/** Decodes one stream at a time. @throws RamferryError, or AssertionError when memory around a chunk was changed */
export async function decodeInline(stream: Buffer): Promise<Decoded> {
  let at = 0;
  const take = (length: number): Buffer => {
    if (length > stream.length - at) throw truncated();
    at += length;
    return stream.subarray(at - length, at);
  };
  const { maxChunk, window, storeBytes, totalLength } = readStreamHeader(take(STREAM_HEADER_BYTES));
  if (maxChunk > MAX_CHUNK_BYTES || storeBytes > MAX_STORE_BYTES) {
    throw new RamferryError('ERR_MEMORY_LIMIT', 'not with me');
  }
  const store = openStore(storeBytes);
  const totals = new Totals();
  const arrivals = new Map<number, Arrival>();
  const headers: ChunkHeader[] = [];
  const parts: Buffer[] = [];
  let expected = 0;

  const drain = (): void => {
    for (let next = arrivals.get(expected); next !== undefined; next = arrivals.get(++expected)) {
      const { header, record, outcome } = next;
      arrivals.delete(expected);
      if (!Buffer.isBuffer(outcome)) throw outcome;
      if (header.offset !== totals.decodedBytes) throw order('a chunk has another offset than expected');
      totals.add(header, record.length, record.readBigUInt64LE(record.length - 8));
      headers.push(header);
      parts.push(outcome);
    }
  };

  for (;;) {
    const start = at;
    const type = take(8).readUInt32LE(0);
    if (type === RECORD.end) {
      at = start;
      if (stream.readUInt32LE(start + 4) !== END_RECORD_BYTES) {
        throw new RamferryError('ERR_STREAM_FORMAT', 'the END record has a wrong length');
      }
      const end = take(END_RECORD_BYTES);
      if (arrivals.size > 0) throw order('a chunk is missing');
      totals.verify(end, { record: headers.length + 1, offset: start });
      if (at < stream.length) throw new RamferryError('ERR_STREAM_TRAILING', 'bytes follow');
      return { bytes: Buffer.concat(parts), headers };
    }
    if (type !== RECORD.chunk) throw new RamferryError('ERR_STREAM_FORMAT', 'unknown record');
    at = start;
    const header = readChunkHeader(take(CHUNK_HEADER_BYTES), 0, maxChunk, store !== undefined);
    const { sequence, needs } = header;
    if (sequence < expected || arrivals.has(sequence)) throw order('a chunk comes twice');
    if (sequence >= expected + window) throw order('a chunk comes too early');
    if (sequence === expected && header.offset !== totals.decodedBytes)
      throw order('a chunk is out of place');
    if (needs > expected) throw order('a chunk needs others');
    if (totalLength !== undefined && header.offset + header.decodedLength > totalLength)
      throw new RamferryError('ERR_STREAM_LIMIT', 'longer than announced');
    at = start;
    const record = take(header.bodyLength + CHUNK_OVERHEAD);
    arrivals.set(sequence, { header, record, outcome: await decode(header, record, maxChunk, store) });
    drain();
  }
}

function openStore(bytes: number): PageStore | undefined {
  const pages = Math.floor(bytes / PAGE_BYTES);
  return pages === 0 ? undefined : new PageStore(new ArrayBuffer(storeMemoryBytes(pages)));
}

async function decode(
  header: ChunkHeader,
  record: Buffer,
  maxChunk: number,
  pages: PageStore | undefined,
): Promise<Buffer | RamferryError> {
  const chunk = output.subarray(GUARD, GUARD + header.decodedLength);
  const before = output.subarray(0, GUARD).fill(0x5a);
  const behind = output
    .subarray(GUARD + header.decodedLength)
    .subarray(0, GUARD)
    .fill(0x5a);
  try {
    // Chunks arrive one by one, and a chunk that depends on missing ones was refused before. So no chunk waits.
    const store = pages === undefined ? undefined : { store: pages, wait: () => undefined };
    await decodeChunk({ expander: expander(maxChunk), scratch, codec, store }, header, record, chunk);
    return Buffer.from(chunk);
  } catch (thrown) {
    if (thrown instanceof RamferryError) return thrown;
    throw thrown;
  } finally {
    for (const guard of [before, behind]) {
      assert.ok(
        guard.every((byte) => byte === 0x5a),
        'wrote outside its chunk',
      );
    }
  }
}
