// Native streams taken apart and put together again, for tests that lose, repeat and exchange records.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';

import { sealRange } from '../../../src/chunk/checksum.js';
import { CHUNK_OVERHEAD, RECORD } from '../../../src/chunk/record.js';
import { END_RECORD_BYTES, STREAM_HEADER_BYTES } from '../../../src/container/native.js';

export interface Parts {
  readonly head: Buffer;
  readonly records: readonly Buffer[];
  readonly end: Buffer;
}

export function takeApart(stream: Buffer): Parts {
  const records: Buffer[] = [];
  let at = STREAM_HEADER_BYTES;
  while (stream.readUInt32LE(at) === RECORD.chunk) {
    const length = stream.readUInt32LE(at + 4) + CHUNK_OVERHEAD;
    records.push(stream.subarray(at, at + length));
    at += length;
  }
  assert.equal(at + END_RECORD_BYTES, stream.length);
  return { head: stream.subarray(0, STREAM_HEADER_BYTES), records, end: stream.subarray(at) };
}

export function putTogether({ head, records, end }: Parts): Buffer {
  return Buffer.concat([head, ...records, end]);
}

/** A copy with some fields changed and its checksum made to fit. */
export function changedHead(head: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(head);
  change(copy);
  sealRange(copy, 0, STREAM_HEADER_BYTES - 8);
  return copy;
}

export function withWindow(head: Buffer, window: number): Buffer {
  return changedHead(head, (copy) => copy.writeUInt32LE(window, 24));
}

/** As changedHead(), for a chunk record. */
export function changedRecord(record: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(record);
  change(copy);
  sealRange(copy, 0, copy.length - 8);
  return copy;
}

/** Runs `work` for each item, a few at a time: each starts a thread of its own. */
export async function forEachOf<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
  atOnce = 6,
): Promise<void> {
  let next = 0;
  const walker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, walker));
}
