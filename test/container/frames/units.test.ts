// Round trips of whole ramferry streams of method `stream`: every format, any split, stored and compressed chunks.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { coderOf, FORMATS, memoryLike, receive, rejectsWith, send } from './helpers.js';

for (const format of FORMATS) {
  describe(`units of ${format}`, () => {
    it('restores all bytes, stored and compressed chunks', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 5000 }),
          fc.integer({ min: 1, max: 6000 }),
          fc.constantFrom(0, 1, 3),
          async (bytes, chunkSize, level) => {
            const input = Buffer.from(bytes);
            const { decoded, kinds } = await receive(await send(format, input, chunkSize, level));
            assert.deepEqual(decoded, input);
            assert.equal(
              kinds.filter((kind) => kind === 'chunk').length,
              Math.ceil(input.length / chunkSize),
            );
          },
        ),
        { numRuns: 60 },
      );
    });

    it('writes the same bytes for the same input, output memory not zeroed', async () => {
      const coder = coderOf(format);
      const src = memoryLike(70_000);
      const size = coder.bound(src.length);
      const clean = Buffer.alloc(size);
      const dirty = Buffer.from(new SharedArrayBuffer(size)).fill(0xa5);
      const first = await coder.encode(clean, src, 1);
      const second = await coder.encode(dirty, src, 1);
      assert.deepEqual(second, first);
      assert.ok(dirty.subarray(0, first.encodedLength).equals(clean.subarray(0, first.encodedLength)));
    });

    it('stays within its bound, incompressible bytes', async () => {
      const coder = coderOf(format);
      for (const length of [1, 63, 64, 4096, 65535, 131072, 131073, 1_000_000]) {
        const src = Buffer.alloc(length);
        let state = length;
        for (let at = 0; at < length; at += 1) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          src[at] = state >>> 24;
        }
        for (const level of [0, 1]) {
          const dst = Buffer.alloc(coder.bound(length));
          const { encodedLength } = await coder.encode(dst, src, level);
          const back = Buffer.alloc(length);
          await coder.decode(back, dst.subarray(0, encodedLength), 0);
          assert.ok(back.equals(src), `${length} bytes at level ${level}`);
        }
      }
    });

    it('reports the checksums that the receiver computes', async () => {
      const coder = coderOf(format);
      const src = memoryLike(10_000);
      const dst = Buffer.alloc(coder.bound(src.length));
      const sent = await coder.encode(dst, src, 1);
      const received = await coder.decode(Buffer.alloc(src.length), dst.subarray(0, sent.encodedLength), 0);
      assert.deepEqual(received, sent);
    });

    it('refuses a unit whose decoded length is not the announced one', async () => {
      const coder = coderOf(format);
      const src = memoryLike(10_000);
      const dst = Buffer.alloc(coder.bound(src.length));
      const { encodedLength } = await coder.encode(dst, src, 1);
      for (const length of [0, 1, 9_999, 10_001, 20_000]) {
        const error = await rejectsWith(
          async () => coder.decode(Buffer.alloc(length), dst.subarray(0, encodedLength), 77),
          'ERR_STREAM_FORMAT',
          'ERR_STREAM_CODEC',
        );
        assert.ok(error.place.offset !== undefined && error.place.offset >= 77);
      }
    });
  });
}
