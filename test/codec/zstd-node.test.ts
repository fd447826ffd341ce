// The binding over node:zlib's zstd, which Node 20 lacks: tested with a stand-in that behaves as documented, made from another
// zstd. Where Node has the real module, codecs.test.ts tests it as well.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { zstdNodeFrom, type NodeZstd } from '../../src/codec/zstd-node.js';
import { walkZstdFrame } from '../../src/codec/zstd-frame.js';
import { memoryLike, roomFor, shared, sharedRoom, zstdBindings } from './support.js';

const direct = zstdBindings.find(([binding]) => binding === 'zstd-napi');

function tooLarge(limit: number): Error {
  return Object.assign(new RangeError(`Cannot create a Buffer larger than ${limit} bytes`), {
    code: 'ERR_BUFFER_TOO_LARGE',
  });
}

/** Frames without content size, as a streaming encoder may write them: the header must be replaced. */
function withoutSize(frame: Uint8Array): Buffer {
  const { header } = walkZstdFrame(frame);
  const descriptor = header.checksum ? 0x04 : 0;
  return Buffer.concat([
    frame.subarray(0, 4),
    Uint8Array.of(descriptor, 0x88),
    frame.subarray(header.headerLength),
  ]);
}

describe(
  'zstd by node:zlib, stand-in',
  { skip: direct === undefined && 'zstd-napi is not installed' },
  () => {
    const seen: { params: Readonly<Record<number, number>> | undefined; maxOutputLength: number }[] = [];
    const native: NodeZstd = {
      zstdCompressSync(data, { params, maxOutputLength, chunkSize }) {
        seen.push({ params, maxOutputLength });
        assert.ok(chunkSize >= 64);
        const codec = direct![1]();
        const room = roomFor(data.length);
        const level = params?.[100] ?? 3;
        const length =
          params?.[201] === 1 ? codec.compressFrame(room, data, level) : codec.compress(room, data, level);
        assert.ok(typeof length === 'number');
        const frame = withoutSize(room.subarray(0, length));
        if (frame.length > maxOutputLength) throw tooLarge(maxOutputLength);
        return frame;
      },
      zstdDecompressSync(data, { maxOutputLength, chunkSize }) {
        assert.ok(maxOutputLength >= 1 && chunkSize >= 64);
        const size = walkZstdFrame(data).header.contentSize ?? 0;
        if (size > maxOutputLength) throw tooLarge(maxOutputLength);
        const out = Buffer.alloc(size);
        void direct![1]().decompress(out, data);
        return out;
      },
    };
    const codec = zstdNodeFrom(native).open();

    it('restores bytes of chunk frames and standalone frames', () => {
      for (const size of [0, 1, 300, 70_000]) {
        const data = memoryLike(size);
        for (const method of ['compress', 'compressFrame'] as const) {
          const room = roomFor(size);
          const length = codec[method](room, shared(data), 3);
          assert.ok(typeof length === 'number' && length > 0);
          assert.equal(walkZstdFrame(room).header.checksum, method === 'compressFrame');
          const decoded = sharedRoom(size);
          void codec.decompress(decoded, room.subarray(0, length));
          assert.deepEqual(Buffer.from(decoded), Buffer.from(data));
        }
      }
    });

    it('passes level, window, checksum and the settings for pages', () => {
      seen.length = 0;
      void codec.compress(roomFor(70_000), memoryLike(70_000), -5);
      void codec.compressFrame(roomFor(2 ** 20), memoryLike(2 ** 20), 1);
      assert.deepEqual(
        seen.map(({ params }) => params),
        [
          { 100: -5, 101: 17 },
          { 100: 1, 101: 20, 102: 13, 105: 5, 201: 1 },
        ],
      );
    });

    it('returns -1, when the room is a single byte too small', () => {
      const data = memoryLike(70_000);
      const length = codec.compress(roomFor(data.length), data, 1);
      assert.ok(typeof length === 'number');
      for (const room of [0, 10, length - 100, length - 1]) {
        assert.equal(codec.compress(sharedRoom(room), data, 1), -1, `room ${room}`);
      }
      assert.equal(codec.compress(sharedRoom(length), data, 1), length);
    });
  },
);
