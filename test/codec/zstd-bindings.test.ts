// zstd across bindings: each reads the frames of the others, standalone frames carry a verified checksum, and the native zstd
// program reads them where it is installed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { rewrapFrame, windowLogFor } from '../../src/codec/zstd-chunk.js';
import { walkZstdFrame, writeZstdHeader } from '../../src/codec/zstd-frame.js';
import { memoryLike, noise, roomFor, shared, sharedRoom, zstdBindings } from './support.js';

const SIZES = [0, 1, 255, 256, 65_792, 700_001];
/** Words of a small vocabulary in any order: levels differ on them. */
function words(length: number): Uint8Array {
  const vocabulary = Array.from({ length: 200 }, (_, i) => noise(3 + (i % 9), i + 1));
  const order = noise(length, 7);
  const bytes = new Uint8Array(length + 16);
  for (let at = 0, i = 0; at < length; i += 1) {
    const word = vocabulary[(order[i]! * 3) % 200]!;
    bytes.set(word, at);
    at += word.length;
  }
  return bytes.subarray(0, length);
}

const zstdProgram = spawnSync('zstd', ['--version']).status === 0;

for (const [from, openFrom] of zstdBindings) {
  for (const [to, openTo] of zstdBindings) {
    it(`${to} reads zstd of ${from}`, async () => {
      for (const size of SIZES) {
        for (const data of [memoryLike(size), noise(size)]) {
          const room = roomFor(size);
          const length = await openFrom().compress(room, shared(data), 1);
          const decoded = sharedRoom(size);
          await openTo().decompress(decoded, room.subarray(0, length));
          assert.equal(Buffer.compare(decoded, data), 0, `${size} bytes`);
        }
      }
    });
  }

  describe(`zstd frames of ${from}`, () => {
    it('are single segments with content size, without checksum for chunks', async () => {
      for (const size of SIZES) {
        const room = roomFor(size);
        const length = await openFrom().compress(room, shared(memoryLike(size)), 1);
        const { header, encodedLength } = walkZstdFrame(room);
        assert.equal(encodedLength, length);
        assert.equal(header.contentSize, size);
        assert.equal(header.singleSegment, true);
        assert.equal(header.dictionaryId, 0);
        assert.equal(header.checksum, false);
      }
    });

    it('have a checksum that is verified, when standalone', async () => {
      const codec = openFrom();
      const data = memoryLike(50_000);
      const room = roomFor(data.length);
      const length = await codec.compressFrame(room, shared(data), 1);
      const frame = room.subarray(0, length);
      await codec.decompress(sharedRoom(data.length), frame);
      for (let i = length - 4; i < length; i += 1) {
        const damaged = shared(frame);
        damaged[i] = (damaged[i] ?? 0) ^ 1;
        await assert.rejects(async () => codec.decompress(sharedRoom(data.length), damaged), {
          code: 'ERR_STREAM_CODEC',
        });
      }
    });

    it('give -1, when the room is one byte too small', async () => {
      const data = memoryLike(50_000);
      const length = await openFrom().compressFrame(roomFor(data.length), data, 1);
      assert.equal(await openFrom().compressFrame(sharedRoom(length - 1), data, 1), -1);
      assert.equal(await openFrom().compressFrame(sharedRoom(length + 64), data, 1), length);
    });

    it('are smaller at a higher level', async () => {
      const data = words(400_000);
      const codec = openFrom();
      const at = async (level: number) => codec.compress(roomFor(data.length), data, level);
      const [fast, usual, best] = [await at(-7), await at(1), await at(19)];
      assert.ok(fast > usual && usual > best, `${fast}, ${usual}, ${best}`);
    });

    it('do not depend on what the context did before', async () => {
      const data = memoryLike(400_000);
      data.set(noise(100_000), 100_000);
      const codec = openFrom();
      for (const level of [2, 1, 8, -7, 3, 1, 5, 2, -1, 12, -20, 4]) {
        const [room, fresh] = [roomFor(data.length), roomFor(data.length)];
        const length = await codec.compress(room, data, level);
        const expected = await openFrom().compress(fresh, data, level);
        assert.equal(Buffer.compare(room.subarray(0, length), fresh.subarray(0, expected)), 0, `${level}`);
        await codec.compress(room, noise(300), level);
      }
    });

    it('are read by the zstd program', { skip: !zstdProgram && 'zstd is not installed' }, async () => {
      const levels = [-20, 1, 2, 3, 4, 5, 8, 10, 12, 19];
      const cases = [
        ...SIZES.map((size) => [size, 3] as const),
        ...levels.map((level) => [300_000, level] as const),
      ];
      for (const [size, level] of cases) {
        const data = memoryLike(size);
        const room = roomFor(size);
        const length = await openFrom().compressFrame(room, data, level);
        const told = spawnSync('zstd', ['-dc'], { input: room.subarray(0, length), maxBuffer: 2 ** 24 });
        assert.equal(told.status, 0, told.stderr.toString());
        assert.equal(Buffer.compare(told.stdout, data), 0);
      }
    });
  });
}

describe('rewrapFrame', () => {
  it('refuses frames whose blocks announce far more than their content', () => {
    // 600 raw blocks of 1 byte are sound; 600 compressed blocks look like a decompression bomb.
    const frame = new Uint8Array(10_000);
    const blocks = (type: number) => {
      let at = writeZstdHeader(frame, 600, false);
      for (let i = 0; i < 600; i += 1) {
        frame.set([(i === 599 ? 1 : 0) | (type << 1) | (1 << 3), 0, 0, 7], at);
        at += 4;
      }
      return frame.subarray(0, at);
    };
    assert.equal(rewrapFrame(new Uint8Array(10_000), blocks(0), 600), blocks(0).length);
    assert.equal(rewrapFrame(new Uint8Array(10_000), blocks(2), 600), -1);
  });

  it('covers the input with the window', () => {
    const expected = [
      [0, 10],
      [1024, 10],
      [1025, 11],
      [65_536, 16],
      [65_537, 17],
      [2 ** 26, 26],
      [2 ** 27, 27],
    ] as const;
    for (const [size, log] of expected) assert.equal(windowLogFor(size), log, `${size} bytes`);
  });
});
