// Records of zero chunks whose bytes were not read: the same bytes as encodeChunk() makes of zero pages.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { encodeChunk, recordCapacity } from '../../src/chunk/encode.js';
import { OPERATIONS_CAPACITY, Planner } from '../../src/chunk/plan.js';
import { SEGMENT } from '../../src/chunk/segments.js';
import { ZeroChunks } from '../../src/chunk/zero-chunks.js';
import { openCodec } from '../../src/codec/registry.js';

const MAX = 1 << 20;

describe('ZeroChunks', () => {
  it('writes the record of encodeChunk, at any length and place, with any codec', async () => {
    const planner = new Planner(MAX);
    const zeroChunks = new ZeroChunks(planner);
    const scratch = Buffer.alloc(OPERATIONS_CAPACITY + MAX, 0xee);
    const out = Buffer.alloc(recordCapacity(MAX) + 100);
    const codec = openCodec('zlib');
    let sequence = 0;
    for (const pages of [1, 1, 14, 15, 16, 256, 256, 256, 15, 1]) {
      const length = pages * 4096;
      for (const [at, coded] of [
        [0, undefined],
        [37, codec],
      ] as const) {
        const place = { sequence: sequence++, needs: 0, offset: sequence * 2 ** 33 };
        const front = Buffer.alloc(OPERATIONS_CAPACITY + length);
        const segments = Int32Array.of(SEGMENT.pages, pages);
        const expected = Buffer.alloc(recordCapacity(length));
        const coding = { codec: coded, level: 1, storeOnly: false };
        const input = { front, length, segments, segmentCount: 1 };
        const read = await encodeChunk(planner, input, { place, coding }, expected, 0);
        scratch.fill(0xee);
        const unread = await zeroChunks.encode(length, place, scratch, out, at);
        assert.deepEqual(unread.header, read.header);
        assert.equal(unread.length, read.length);
        assert.ok(out.subarray(at, at + unread.length).equals(expected.subarray(0, read.length)));
      }
    }
  });
});
