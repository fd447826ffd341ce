// The native stream's header and END record: round trips, the check of every field, and the comparison of the totals.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { sealRange } from '../../src/chunk/checksum.js';
import { type ChunkHeader, MAX_CHUNK_BYTES } from '../../src/chunk/record.js';
import {
  END_RECORD_BYTES,
  readStreamHeader,
  STREAM_HEADER_BYTES,
  type StreamHeader,
  Totals,
  writeStreamHeader,
} from '../../src/container/native.js';
import type { ErrorCode } from '../../src/errors.js';
import { GRAMMAR_ID } from '../../src/grammar/grammar.js';
import { isTyped } from '../chunk/typed.js';

const SOUND: StreamHeader = {
  grammar: GRAMMAR_ID.qemu,
  maxChunk: 1_048_576,
  window: 1,
  storeBytes: 0,
  totalLength: 4096,
};

function resealed(change: (bytes: Buffer) => void): Buffer {
  const bytes = writeStreamHeader(SOUND);
  change(bytes);
  sealRange(bytes, 0, 56);
  return bytes;
}

describe('the native stream header', () => {
  it('survives a round trip', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            grammar: fc.constantFrom(...Object.values(GRAMMAR_ID)),
            maxChunk: fc.integer({ min: 1, max: MAX_CHUNK_BYTES }),
            window: fc.integer({ min: 1, max: 256 }),
            storeBytes: fc.nat(2 ** 20 - 1).map((pages) => pages * 4096),
            totalLength: fc.option(fc.maxSafeNat(), { nil: undefined }),
          },
          { noNullPrototype: true },
        ),
        (header) => {
          const bytes = writeStreamHeader(header);
          assert.equal(bytes.length, STREAM_HEADER_BYTES);
          assert.deepEqual(readStreamHeader(bytes), header);
        },
      ),
    );
  });

  it('is rejected with a typed error, any one bit flipped', () => {
    for (let bit = 0; bit < STREAM_HEADER_BYTES * 8; bit++) {
      const bytes = writeStreamHeader(SOUND);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const code = bit < 64 ? 'ERR_STREAM_MAGIC' : bit < 80 ? 'ERR_STREAM_VERSION' : 'ERR_STREAM_CHECKSUM';
      assert.throws(() => readStreamHeader(bytes), isTyped(code), `bit ${bit}`);
    }
  });

  const SAFE = BigInt(Number.MAX_SAFE_INTEGER);
  const hostile: [name: string, change: (bytes: Buffer) => void, code: ErrorCode][] = [
    ['version 0', (b) => b.writeUInt16LE(0, 8), 'ERR_STREAM_VERSION'],
    ['version 2', (b) => b.writeUInt16LE(2, 8), 'ERR_STREAM_VERSION'],
    ['another length', (b) => b.writeUInt16LE(72, 10), 'ERR_STREAM_FEATURE'],
    ['a feature', (b) => b.writeUInt32LE(0x8000_0000, 12), 'ERR_STREAM_FEATURE'],
    ['checksum kind 0', (b) => b.writeUInt8(0, 16), 'ERR_STREAM_FEATURE'],
    ['checksum kind 2', (b) => b.writeUInt8(2, 16), 'ERR_STREAM_FEATURE'],
    ['grammar 0', (b) => b.writeUInt8(0, 17), 'ERR_STREAM_FEATURE'],
    ['grammar 6', (b) => b.writeUInt8(6, 17), 'ERR_STREAM_FEATURE'],
    ['pages of 64 KiB', (b) => b.writeUInt16LE(16, 18), 'ERR_STREAM_FEATURE'],
    ['a reserved byte', (b) => b.writeUInt8(1, 31), 'ERR_STREAM_FEATURE'],
    ['another reserved byte', (b) => b.writeUInt8(1, 55), 'ERR_STREAM_FEATURE'],
    ['chunks of 0 bytes', (b) => b.writeUInt32LE(0, 20), 'ERR_STREAM_LIMIT'],
    ['chunks of 64 MiB + 1', (b) => b.writeUInt32LE(MAX_CHUNK_BYTES + 1, 20), 'ERR_STREAM_LIMIT'],
    ['chunks of 4 GiB', (b) => b.writeUInt32LE(2 ** 32 - 1, 20), 'ERR_STREAM_LIMIT'],
    ['a window of 0', (b) => b.writeUInt32LE(0, 24), 'ERR_STREAM_LIMIT'],
    ['a window of 257', (b) => b.writeUInt32LE(257, 24), 'ERR_STREAM_LIMIT'],
    ['a window of 4 billion', (b) => b.writeUInt32LE(2 ** 32 - 1, 24), 'ERR_STREAM_LIMIT'],
    ['a page store of half a page', (b) => b.writeBigUInt64LE(2048n, 32), 'ERR_STREAM_LIMIT'],
    ['a page store of 2^20 pages', (b) => b.writeBigUInt64LE(4096n << 20n, 32), 'ERR_STREAM_LIMIT'],
    ['a page store beyond 2^53', (b) => b.writeBigUInt64LE(SAFE + 1n, 32), 'ERR_STREAM_LIMIT'],
    ['a length beyond 2^53', (b) => b.writeBigUInt64LE(SAFE + 1n, 40), 'ERR_STREAM_LIMIT'],
    ['a length of 2^64 - 2', (b) => b.writeBigUInt64LE(2n ** 64n - 2n, 40), 'ERR_STREAM_LIMIT'],
  ];
  for (const [name, change, code] of hostile) {
    it(`is rejected with ${code}, ${name}`, () => {
      assert.throws(() => readStreamHeader(resealed(change)), isTyped(code));
    });
  }

  it('is accepted only within the limits, any field replaced by any number', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(8, 10, 12, 16, 20, 24, 28, 32, 40, 48),
        fc.oneof(fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1), fc.nat(2 ** 32 - 1)),
        (at, value) => {
          try {
            const header = readStreamHeader(resealed((bytes) => bytes.writeUInt32LE(value, at)));
            assert.ok(header.maxChunk >= 1 && header.maxChunk <= MAX_CHUNK_BYTES);
            assert.ok(header.window >= 1 && header.window <= 256);
          } catch (thrown) {
            isTyped()(thrown);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

function chunk(change: Partial<ChunkHeader> = {}): ChunkHeader {
  return {
    bodyLength: 100,
    sequence: 0,
    needs: 0,
    offset: 0,
    decodedLength: 8192,
    plainLength: 100,
    operationsLength: 4,
    codec: 1,
    zero: 1,
    literal: 1,
    duplicate: 0,
    same: 0,
    delta: 0,
    decodedChecksum: 77n,
    ...change,
  };
}

const PLACE = { record: 2, offset: 500 };

function twoChunks(): Totals {
  const totals = new Totals();
  totals.add(chunk(), 188, 5n);
  totals.add(chunk({ zero: 0, duplicate: 1, decodedChecksum: 2n ** 64n - 1n }), 200, 6n);
  return totals;
}

describe('totals', () => {
  it('match the END record that states them', () => {
    const totals = twoChunks();
    const { chunks, decodedBytes, recordBytes, zero, literal, duplicate } = totals;
    assert.deepEqual(
      [chunks, decodedBytes, recordBytes, zero, literal, duplicate],
      [2, 16_384, 388, 1, 2, 1],
    );
    const end = totals.record();
    assert.equal(end.length, END_RECORD_BYTES);
    totals.verify(end, PLACE);
    twoChunks().verify(end, PLACE);
    new Totals().verify(new Totals().record(), PLACE);
  });

  it('stay equal, read twice', () => {
    const totals = twoChunks();
    assert.ok(totals.record().equals(totals.record()));
    assert.equal(totals.digest(), twoChunks().digest());
  });

  it('reject an END record with any one bit flipped, with its offset', () => {
    const end = twoChunks().record();
    for (let bit = 0; bit < END_RECORD_BYTES * 8; bit++) {
      const damaged = Buffer.from(end);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(
        () => {
          twoChunks().verify(damaged, PLACE);
        },
        (thrown) => {
          isTyped('ERR_STREAM_CHECKSUM')(thrown);
          assert.deepEqual((thrown as { place: object }).place, PLACE);
          return true;
        },
      );
    }
  });

  it('reject an END record with a valid checksum, any field changed', () => {
    const end = twoChunks().record();
    for (let bit = 0; bit < 72 * 8; bit++) {
      const damaged = Buffer.from(end);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      sealRange(damaged, 0, 72);
      assert.throws(() => {
        twoChunks().verify(damaged, PLACE);
      }, isTyped('ERR_STREAM_TOTALS'));
    }
  });

  const changes: [name: string, second: Partial<ChunkHeader>, length: number, record: bigint][] = [
    ['a chunk with another decoded length', { decodedLength: 8191 }, 200, 6n],
    ['a record with another length', {}, 201, 6n],
    ['a zero page more', { zero: 1 }, 200, 6n],
    ['a literal page more', { literal: 2 }, 200, 6n],
    ['a duplicate page less', { duplicate: 0 }, 200, 6n],
    ['other contents', { decodedChecksum: 1n }, 200, 6n],
    ['another record', {}, 200, 7n],
  ];
  for (const [name, second, length, record] of changes) {
    it(`differ at END, ${name}`, () => {
      const totals = new Totals();
      totals.add(chunk(), 188, 5n);
      const base = { zero: 0, duplicate: 1, decodedChecksum: 2n ** 64n - 1n };
      totals.add(chunk({ ...base, ...second }), length, record);
      assert.throws(() => {
        totals.verify(twoChunks().record(), PLACE);
      }, isTyped('ERR_STREAM_TOTALS'));
    });
  }

  it('reject exchanged chunks at END', () => {
    const totals = new Totals();
    totals.add(chunk({ zero: 0, duplicate: 1, decodedChecksum: 2n ** 64n - 1n }), 200, 6n);
    totals.add(chunk(), 188, 5n);
    assert.throws(() => {
      totals.verify(twoChunks().record(), PLACE);
    }, isTyped('ERR_STREAM_TOTALS'));
  });
});
