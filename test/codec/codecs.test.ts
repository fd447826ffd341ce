// The promises of Codec, for every codec × binding that runs here: round trips in shared memory, -1 instead of a throw,
// determinism, and a RamferryError for bad input.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RamferryError } from '../../src/errors.js';
import type { Codec } from '../../src/codec/codec.js';
import { MIB } from '../../src/units.js';
import { candidates, memoryLike, noise, roomFor, shared, sharedRoom, type Candidate } from './support.js';

/** libzstd writes some bytes ahead: a room that fits exactly may be too small for it. */
const SPARE = 64;

function levelsOf({ codec }: Candidate): number[] {
  if (codec === 'zlib') return [1, 6, 9];
  return codec === 'zstd' ? [-50, -7, -1, 1, 3, 9, 19] : [1, 9];
}

async function encode(codec: Codec, bytes: Uint8Array, level: number): Promise<Uint8Array> {
  const room = roomFor(bytes.length);
  const length = await codec.compress(room, shared(bytes), level);
  assert.ok(length >= 0, `level ${level} did not fit`);
  return room.subarray(0, length);
}

async function roundTrip(codec: Codec, bytes: Uint8Array, level: number): Promise<void> {
  const encoded = await encode(codec, bytes, level);
  const decoded = sharedRoom(bytes.length);
  await codec.decompress(decoded, encoded);
  assert.equal(Buffer.compare(decoded, bytes), 0, `level ${level}, ${bytes.length} bytes`);
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 1 })).map(([n, seed]) => {
    const mixed = memoryLike(n);
    mixed.set(noise(n >> 2, seed), n >> 3);
    return mixed;
  }),
);

for (const candidate of candidates) {
  const { codec, binding, open } = candidate;
  const levels = levelsOf(candidate);

  describe(`${codec} by ${binding}`, () => {
    it('names codec and binding', () => {
      const it = open();
      assert.equal(it.name, codec);
      assert.equal(it.binding, binding);
    });

    it('restores any bytes at any level, from and into shared memory', async () => {
      const it = open();
      await fc.assert(
        fc.asyncProperty(bytes, fc.constantFrom(...levels), (data, level) => roundTrip(it, data, level)),
        { numRuns: 60 },
      );
      it.close();
    });

    it('restores no bytes, one byte, zeros, noise and sizes around block limits', async () => {
      const it = open();
      for (const n of [0, 1, 255, 256, 65_535, 65_536, 65_791, 65_792, 131_072, 131_073, MIB + 1]) {
        await roundTrip(it, new Uint8Array(n), 1);
        await roundTrip(it, noise(n), 1);
        await roundTrip(it, memoryLike(n), 1);
      }
    });

    it('makes the same bytes, in another instance and after other work', async () => {
      const first = open();
      const data = memoryLike(100_000);
      const once = Buffer.from(await encode(first, data, 1));
      await encode(first, noise(70_000), levels.at(-1) ?? 1);
      assert.equal(Buffer.compare(await encode(first, data, 1), once), 0);
      assert.equal(Buffer.compare(await encode(open(), data, 1), once), 0);
    });

    it('returns -1, when the room is a single byte too small', async () => {
      const it = open();
      for (const data of [memoryLike(3000), noise(3000), memoryLike(300_000)]) {
        const encoded = await encode(it, data, 1);
        const { length } = encoded;
        for (const room of [0, 1, 8, length >> 1, length - 1]) {
          assert.equal(await it.compress(sharedRoom(room), shared(data), 1), -1, `room ${room}`);
        }
        assert.equal(await it.compress(sharedRoom(length + SPARE), shared(data), 1), length);
        await roundTrip(it, data, 1);
      }
    });

    it('writes nothing behind the encoded bytes', async () => {
      const room = roomFor(5000).fill(0xee);
      const length = await open().compress(room.subarray(0, 5200), shared(memoryLike(5000)), 1);
      assert.ok(length > 0);
      assert.ok(room.subarray(5200).every((byte) => byte === 0xee));
    });

    it('takes level 0 as stored, and refuses levels outside its range', async () => {
      const it = open();
      const stored = await it.compress(roomFor(100), shared(memoryLike(100)), 0);
      assert.equal(stored, codec === 'none' ? 100 : -1);
      for (const level of [-51, 20, 1.5, Number.NaN]) {
        await assert.rejects(
          async () => it.compress(roomFor(100), shared(memoryLike(100)), level),
          hasCode('ERR_OPTION_INVALID'),
        );
      }
    });

    it('refuses input that is cut at any byte', async () => {
      const it = open();
      const data = memoryLike(2000);
      const encoded = await encode(it, data, 1);
      for (let length = 0; length < encoded.length; length += 1) {
        await assert.rejects(
          async () => it.decompress(sharedRoom(data.length), encoded.subarray(0, length)),
          hasCode('ERR_STREAM_CODEC'),
          `cut to ${length} bytes`,
        );
      }
    });

    it('refuses bytes behind the end', async () => {
      const it = open();
      for (const data of [memoryLike(2000), noise(2000), new Uint8Array(0)]) {
        const encoded = await encode(it, data, 1);
        for (const extra of [[0], [0, 0], [1, 0, 0], [...encoded, 0], new Array<number>(70_000).fill(0)]) {
          await assert.rejects(
            async () => it.decompress(sharedRoom(data.length), shared(Uint8Array.of(...encoded, ...extra))),
            hasCode('ERR_STREAM_CODEC'),
            `${extra.length} bytes behind ${data.length}`,
          );
        }
      }
    });

    it('refuses a decoded length other than announced', async () => {
      const it = open();
      for (const data of [memoryLike(3000), noise(3000)]) {
        const encoded = await encode(it, data, 1);
        for (const length of [0, 1, 2999, 3001, 4096, 1 << 24]) {
          await assert.rejects(
            async () => it.decompress(sharedRoom(length), encoded),
            hasCode('ERR_STREAM_CODEC'),
            `${length} announced`,
          );
        }
      }
    });

    it('gives a RamferryError or wrong bytes for flipped bits, and works on', async () => {
      const it = open();
      const data = memoryLike(3000);
      const encoded = Buffer.from(await encode(it, data, 1));
      for (let bit = 0; bit < encoded.length * 8; bit += 3) {
        const damaged = shared(encoded);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await decodeOrRefuse(it, sharedRoom(data.length), damaged);
      }
      await roundTrip(it, data, 1);
    });

    it('refuses noise, and works on', async () => {
      const it = open();
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 200 }),
          fc.integer({ min: 0, max: 5000 }),
          (data, length) => decodeOrRefuse(it, sharedRoom(length), shared(data)),
        ),
        { numRuns: 200 },
      );
    });
  });
}

async function decodeOrRefuse(codec: Codec, into: Uint8Array, encoded: Uint8Array): Promise<void> {
  try {
    await codec.decompress(into, encoded);
  } catch (thrown) {
    assert.ok(thrown instanceof RamferryError, String(thrown));
    assert.equal(thrown.code, 'ERR_STREAM_CODEC');
  }
}

function hasCode(code: string): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof RamferryError, String(thrown));
    assert.equal(thrown.code, code);
    return true;
  };
}
