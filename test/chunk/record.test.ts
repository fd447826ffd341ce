// Whole chunk records: every codec, binding and level, there and back; and records that are damaged or hostile.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { checksum } from '../../src/chunk/checksum.js';
import { OPERATIONS_CAPACITY } from '../../src/chunk/plan.js';
import {
  CHUNK_HEADER_BYTES,
  CHUNK_OVERHEAD,
  type ChunkHeader,
  MAX_CHUNK_BYTES,
  readChunkHeader,
  writeChunkHeader,
} from '../../src/chunk/record.js';
import { encodeChunk, recordCapacity } from '../../src/chunk/encode.js';
import { BINDINGS } from '../../src/codec/registry.js';
import { CODEC_ID, type Codec } from '../../src/codec/codec.js';
import type { ErrorCode } from '../../src/errors.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { candidates, memoryLike, noise } from '../codec/support.js';
import {
  bytesOf,
  chunks,
  codec,
  decodeRecord,
  encodePieces,
  inputOf,
  type Piece,
  PLACE,
  planner,
  reseal,
  sharedBuffer,
  STORED,
} from './support.js';
import { isTyped } from './typed.js';

const compressible: Piece[] = [
  { kind: 'skeleton', bytes: memoryLike(700) },
  { kind: 'pages', pages: [0, 2, 4, 2, 0, 6, 6] },
  { kind: 'words', words: [1n, 2n, 3n, 4n, 99n, 5n], bigEndian: true },
  { kind: 'skeleton', bytes: memoryLike(3000) },
];

describe('encodeChunk and decodeChunk', () => {
  for (const candidate of candidates) {
    const { levels } = BINDINGS[candidate.codec].find(
      (each) => each.traits.binding === candidate.binding,
    )!.traits;
    // The highest zstd levels take seconds to set up; test/codec covers them.
    const tried = [...new Set([0, 1, 3, 9, levels.max])].filter((level) => level <= Math.min(levels.max, 12));
    it(`restore a chunk by ${candidate.codec} (${candidate.binding}), levels ${tried.join(', ')}`, async () => {
      const used = codec(candidate.codec, candidate.binding);
      for (const level of tried) {
        const coding = { codec: used, level, storeOnly: false };
        const { record, header } = await encodePieces(compressible, coding);
        const { bytes, header: read } = await decodeRecord(record, 65_536, () => used);
        assert.ok(bytes.equals(bytesOf(compressible)));
        assert.deepEqual(read, header);
        const compresses = level > 0 && candidate.codec !== 'none';
        assert.equal(header.codec, compresses ? CODEC_ID[candidate.codec] : CODEC_ID.none);
        const again = await encodePieces(compressible, coding);
        assert.ok(again.record.equals(record), 'the same bytes twice');
      }
    });

    it(`restore chunks by ${candidate.codec} (${candidate.binding}), after incompressible ones`, async () => {
      const used = codec(candidate.codec, candidate.binding);
      // Other lengths and levels each time: parameters change after a frame that failed.
      for (const [length, level] of [
        [70_000, 1],
        [5000, 1],
        [300, 2],
        [33_000, 3],
      ] as const) {
        const coding = { codec: used, level: Math.min(level, levels.max), storeOnly: false };
        const hard = await encodePieces([{ kind: 'skeleton', bytes: noise(length) }], coding);
        assert.equal(hard.header.codec, CODEC_ID.none);
        const easy = await encodePieces([{ kind: 'skeleton', bytes: memoryLike(length * 2) }], coding);
        const { bytes } = await decodeRecord(easy.record, length * 2, () => used);
        assert.deepEqual([...bytes], [...memoryLike(length * 2)]);
      }
    });

    it(`restore any chunk by ${candidate.codec} (${candidate.binding})`, async () => {
      const used = codec(candidate.codec, candidate.binding);
      await fc.assert(
        fc.asyncProperty(chunks, fc.boolean(), async (pieces, storeOnly) => {
          const { record } = await encodePieces(pieces, { codec: used, level: 1, storeOnly });
          const expected = bytesOf(pieces);
          const { bytes } = await decodeRecord(record, expected.length, () => used);
          assert.ok(bytes.equals(expected));
        }),
        { numRuns: 40 },
      );
    });
  }

  it('store the body, when the codec gains nothing or the body is very short', async () => {
    const coding = { codec: codec('zstd'), level: 1, storeOnly: false };
    for (const bytes of [noise(20_000), noise(20), new Uint8Array(61)]) {
      const { header, record } = await encodePieces([{ kind: 'skeleton', bytes }], coding);
      assert.equal(header.codec, CODEC_ID.none);
      assert.ok(record.length <= bytes.length + CHUNK_OVERHEAD + 6);
      assert.deepEqual([...(await decodeRecord(record, bytes.length)).bytes], [...bytes]);
    }
  });

  it('write place and page counts into the header', async () => {
    const place = { sequence: Number.MAX_SAFE_INTEGER, needs: 7, offset: 2 ** 52 + 1 };
    const { record } = await encodePieces([{ kind: 'pages', pages: [0, 2, 2, 0, 4] }], STORED, place);
    const { header } = await decodeRecord(record, 5 * PAGE_BYTES);
    const { sequence, needs, offset, zero, literal, duplicate, decodedLength } = header;
    assert.deepEqual({ sequence, needs, offset }, place);
    assert.deepEqual([zero, literal, duplicate, decodedLength], [2, 2, 1, 5 * PAGE_BYTES]);
  });

  it('fit recordCapacity(), for any length up to a few pages', async () => {
    for (const length of [1, 2, 14, 15, 16, 142, 143, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1]) {
      const { record } = await encodePieces([{ kind: 'skeleton', bytes: noise(length) }]);
      assert.ok(record.length <= recordCapacity(length));
      assert.equal((await decodeRecord(record, length)).bytes.length, length);
    }
  });

  it('fail with ERR_INTERNAL that names the codec, when it throws', async () => {
    const broken: Codec = { ...stub(), compress: () => Promise.reject(new Error('no')) };
    await assert.rejects(
      encodePieces(compressible, { codec: broken, level: 1, storeOnly: false }),
      isTyped('ERR_INTERNAL'),
    );
  });

  it('take the checksum of the bytes before the plan', async () => {
    // In place: the operations overwrite zero pages in front of the stretch.
    const input = inputOf([{ kind: 'pages', pages: [0, 0, 2] }]);
    const expected = checksum(input.front.subarray(OPERATIONS_CAPACITY));
    const out = sharedBuffer(recordCapacity(input.length));
    const { header } = await encodeChunk(
      planner(input.length),
      input,
      { place: PLACE, coding: STORED },
      out,
      0,
    );
    assert.equal(header.decodedChecksum, expected);
  });
});

function stub(): Codec {
  return {
    name: 'zstd',
    binding: 'stub',
    compress: () => -1,
    decompress: () => undefined,
    close: () => undefined,
  };
}

/** A small record of each kind of body. */
async function smallRecords(): Promise<[name: string, record: Buffer, bytes: Buffer][]> {
  const pieces: Piece[] = [
    { kind: 'skeleton', bytes: Buffer.from('header, header, header, header, header, header, header') },
    { kind: 'words', words: [4096n, 8192n, 12_288n, 16_384n, 7n, 5n], bigEndian: false },
    { kind: 'pages', pages: [0, 0] },
    { kind: 'skeleton', bytes: new Uint8Array(40) },
  ];
  const made: [string, Buffer, Buffer][] = [];
  for (const name of ['none', 'lz4', 'zstd', 'zlib'] as const) {
    const { record, header } = await encodePieces(pieces, { codec: codec(name), level: 1, storeOnly: false });
    assert.equal(header.codec, CODEC_ID[name]);
    made.push([name, record, bytesOf(pieces)]);
  }
  return made;
}

const MAX = 16_384;

/** Errors of a whole record of the right length. */
const DAMAGED: readonly ErrorCode[] = ['ERR_STREAM_CHECKSUM', 'ERR_STREAM_FORMAT', 'ERR_STREAM_LIMIT'];

describe('decodeChunk of a damaged record', () => {
  it('fails with a typed error, when any one bit is flipped', async () => {
    for (const [name, record] of await smallRecords()) {
      for (let bit = 0; bit < record.length * 8; bit++) {
        const damaged = Buffer.from(record);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        // A receiver reads as many bytes as the header claims, and reports missing ones itself.
        const claimed = damaged.readUInt32LE(4) + CHUNK_OVERHEAD;
        if (claimed > damaged.length) continue;
        await assert.rejects(decodeRecord(damaged, MAX), isTyped(...DAMAGED), `${name}, bit ${bit}`);
      }
    }
  });

  it('fails with a typed error or decodes to its own checksum, when the record checksum was adapted', async () => {
    let decoded = 0;
    for (const [name, record, bytes] of await smallRecords()) {
      for (let bit = 64; bit < (record.length - 8) * 8; bit++) {
        const damaged = Buffer.from(record);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        try {
          const result = await decodeRecord(reseal(damaged), MAX);
          // The stream checks sequence, needs and offset; and different operations may mean the same.
          assert.ok(result.bytes.equals(bytes), `${name}, bit ${bit}`);
          decoded++;
        } catch (thrown) {
          isTyped(...DAMAGED, 'ERR_STREAM_CODEC')(thrown);
        }
      }
    }
    assert.ok(decoded > 0);
  });

  it('fails with a typed error or decodes to its own checksum, for any body', async () => {
    const records = await smallRecords();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(records.length - 1),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 12 }),
        async (which, edits) => {
          const [, record, bytes] = records[which]!;
          const damaged = Buffer.from(record);
          const room = damaged.length - CHUNK_OVERHEAD;
          for (const [at, value] of edits) damaged[CHUNK_HEADER_BYTES + (at % room)] = value;
          try {
            assert.ok((await decodeRecord(reseal(damaged), MAX)).bytes.equals(bytes));
          } catch (thrown) {
            isTyped('ERR_STREAM_CODEC', 'ERR_STREAM_FORMAT', 'ERR_STREAM_CHECKSUM')(thrown);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('refuses page counts that differ from the operations', async () => {
    const { record } = await encodePieces([{ kind: 'pages', pages: [0, 2, 2] }]);
    for (const [at, wrong] of [
      [48, 0],
      [52, 0],
      [56, 0],
    ] as const) {
      const damaged = Buffer.from(record);
      damaged.writeUInt32LE(wrong, at);
      await assert.rejects(
        decodeRecord(reseal(damaged), MAX),
        isTyped('ERR_STREAM_FORMAT'),
        `field at ${at}`,
      );
    }
  });

  it('verifies the checksum before the codec runs', async () => {
    const { record } = await encodePieces(compressible, { codec: codec('zstd'), level: 1, storeOnly: false });
    record[CHUNK_HEADER_BYTES + 3]! ^= 1;
    const spy: Codec = { ...stub(), decompress: () => assert.fail('the codec saw a damaged body') };
    await assert.rejects(
      decodeRecord(record, 65_536, () => spy),
      isTyped('ERR_STREAM_CHECKSUM'),
    );
  });

  it('names the chunk in every error', async () => {
    const [, record] = (await smallRecords())[0]!;
    for (const at of [CHUNK_HEADER_BYTES, 72, 48]) {
      const damaged = Buffer.from(record);
      damaged[at]! ^= 1;
      await assert.rejects(decodeRecord(reseal(damaged), MAX), (thrown: unknown) => {
        isTyped()(thrown);
        assert.equal((thrown as { place: { sequence?: number } }).place.sequence, PLACE.sequence);
        return true;
      });
    }
  });

  it('detects a codec that silently returns other bytes', async () => {
    const { record } = await encodePieces(compressible, { codec: codec('zstd'), level: 1, storeOnly: false });
    const real = codec('zstd');
    const lying: Codec = {
      ...stub(),
      decompress: async (target, body) => {
        await real.decompress(target, body);
        target[target.length - 1]! ^= 1;
      },
    };
    await assert.rejects(
      decodeRecord(record, 65_536, () => lying),
      isTyped('ERR_STREAM_CHECKSUM'),
    );
  });
});

describe('readChunkHeader of a hostile header', () => {
  const sound: ChunkHeader = {
    bodyLength: 100,
    sequence: 3,
    needs: 3,
    offset: 12_288,
    decodedLength: 4096,
    plainLength: 4000,
    operationsLength: 10,
    codec: CODEC_ID.zstd,
    zero: 0,
    literal: 1,
    duplicate: 0,
    same: 0,
    delta: 0,
    decodedChecksum: 1n,
  };

  function read(change: Partial<ChunkHeader>, max = 4096): ChunkHeader {
    const bytes = Buffer.alloc(CHUNK_HEADER_BYTES);
    writeChunkHeader(bytes, 0, { ...sound, ...change });
    return readChunkHeader(bytes, 0, max);
  }

  it('reads the limits of sound headers', () => {
    assert.deepEqual(read({}), sound);
    const limits = {
      decodedLength: MAX_CHUNK_BYTES,
      plainLength: MAX_CHUNK_BYTES + 6,
      operationsLength: 65_536,
    };
    assert.deepEqual(read(limits, MAX_CHUNK_BYTES), { ...sound, ...limits });
    read({ codec: CODEC_ID.none, bodyLength: 4000 });
    read({ codec: CODEC_ID.none, bodyLength: 4102, plainLength: 4102 });
  });

  const bad: [name: string, change: Partial<ChunkHeader>, code: ErrorCode][] = [
    ['body of length 0', { bodyLength: 0 }, 'ERR_STREAM_FORMAT'],
    ['encoded body as long as the plain one', { bodyLength: 4000 }, 'ERR_STREAM_FORMAT'],
    ['encoded body of 4 GiB', { bodyLength: 2 ** 32 - 1 }, 'ERR_STREAM_FORMAT'],
    ['stored body shorter than the plain one', { codec: 1, bodyLength: 3999 }, 'ERR_STREAM_FORMAT'],
    ['stored body longer than the plain one', { codec: 1, bodyLength: 4001 }, 'ERR_STREAM_FORMAT'],
    ['`needs` beyond its own number', { needs: 4 }, 'ERR_STREAM_FORMAT'],
    ['decoded length of 0', { decodedLength: 0, literal: 0, plainLength: 6 }, 'ERR_STREAM_FORMAT'],
    ['decoded length beyond what was announced', { decodedLength: 4097 }, 'ERR_STREAM_LIMIT'],
    ['decoded length of 4 GiB', { decodedLength: 2 ** 32 - 1 }, 'ERR_STREAM_LIMIT'],
    ['plain length of 0', { plainLength: 0, operationsLength: 0 }, 'ERR_STREAM_FORMAT'],
    ['plain length beyond decoded + 6', { plainLength: 4103 }, 'ERR_STREAM_FORMAT'],
    ['plain length of 4 GiB', { plainLength: 2 ** 32 - 1 }, 'ERR_STREAM_FORMAT'],
    ['operations of length 0', { operationsLength: 0 }, 'ERR_STREAM_FORMAT'],
    ['operations beyond the plain length', { operationsLength: 4001 }, 'ERR_STREAM_FORMAT'],
    ['codec 0', { codec: 0 }, 'ERR_STREAM_FORMAT'],
    ['codec 5', { codec: 5 }, 'ERR_STREAM_FORMAT'],
    ['codec 255', { codec: 255 }, 'ERR_STREAM_FORMAT'],
    ['zero pages beyond its length', { zero: 1 }, 'ERR_STREAM_FORMAT'],
    ['literal pages beyond its length', { literal: 2 ** 32 - 1 }, 'ERR_STREAM_FORMAT'],
    ['unchanged pages without a page store', { literal: 0, same: 1 }, 'ERR_STREAM_FORMAT'],
    ['delta pages without a page store', { literal: 0, delta: 1 }, 'ERR_STREAM_FORMAT'],
    ['duplicate pages beyond its length', { duplicate: 1 }, 'ERR_STREAM_FORMAT'],
  ];
  for (const [name, change, code] of bad) {
    it(`fails with ${code}: ${name}`, () => {
      assert.throws(() => read(change), isTyped(code));
    });
  }

  it('refuses operations of more than 64 KiB', () => {
    const large = { decodedLength: 200_000, plainLength: 100_000, bodyLength: 50 };
    assert.throws(() => read({ ...large, operationsLength: 65_537 }, 2 ** 20), isTyped('ERR_STREAM_FORMAT'));
    read({ ...large, operationsLength: 65_536 }, 2 ** 20);
  });

  it('refuses sequence number, `needs` and offset beyond 2^53', () => {
    for (const at of [8, 16, 24]) {
      for (const value of [2n ** 53n, 2n ** 64n - 1n]) {
        const bytes = Buffer.alloc(CHUNK_HEADER_BYTES);
        writeChunkHeader(bytes, 0, sound);
        bytes.writeBigUInt64LE(value, at);
        assert.throws(() => readChunkHeader(bytes, 0, 4096), isTyped('ERR_STREAM_LIMIT'));
      }
    }
  });

  it('refuses reserved bytes other than 0', () => {
    for (const at of [45, 46, 47, ...Array.from({ length: 12 }, (_, index) => 60 + index)]) {
      const bytes = Buffer.alloc(CHUNK_HEADER_BYTES);
      writeChunkHeader(bytes, 0, sound);
      bytes[at] = 1;
      assert.throws(() => readChunkHeader(bytes, 0, 4096), isTyped('ERR_STREAM_FORMAT'), `byte ${at}`);
    }
  });
});
