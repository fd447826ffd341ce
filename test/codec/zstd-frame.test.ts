// Headers of zstd frames: written ones are read back, byte by byte, and frames of the real encoder are read.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  parseZstdBlockHeader,
  parseZstdHeader,
  walkZstdFrame,
  writeZstdHeader,
  ZSTD_HEADER_MAX,
  zstdHeaderLength,
} from '../../src/codec/zstd-frame.js';
import { RamferryError } from '../../src/errors.js';
import { memoryLike, roomFor, zstdBindings } from './support.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('zstd frame header', () => {
  it('reads what was written, for any size', () => {
    const sizes = fc.oneof(
      fc.constantFrom(0, 255, 256, 65_791, 65_792, 2 ** 32 - 1, 2 ** 32, 2 ** 40),
      fc.nat({ max: 2 ** 31 - 1 }),
    );
    fc.assert(
      fc.property(sizes, fc.boolean(), (size, checksum) => {
        const bytes = new Uint8Array(ZSTD_HEADER_MAX);
        const length = writeZstdHeader(bytes, size, checksum);
        assert.equal(length, zstdHeaderLength(size));
        assert.deepEqual(parseZstdHeader(bytes), {
          kind: 'frame',
          headerLength: length,
          contentSize: size,
          windowSize: size,
          singleSegment: true,
          dictionaryId: 0,
          checksum,
        });
      }),
    );
  });

  const headers = [
    ['no content size, window 512 KiB', '28b52ffd 00 48', 6, undefined, 2 ** 19, 0],
    ['window with mantissa', '28b52ffd 00 4f', 6, undefined, 2 ** 19 * 1.875, 0],
    ['largest window', '28b52ffd 00 ff', 6, undefined, 2 ** 41 * 1.875, 0],
    ['1-byte dictionary', '28b52ffd 01 48 07', 7, undefined, 2 ** 19, 7],
    ['2-byte dictionary', '28b52ffd 02 48 0102', 8, undefined, 2 ** 19, 0x201],
    [
      '4-byte dictionary and 8-byte size',
      '28b52ffd c3 48 010203ff 0000000001000000',
      18,
      2 ** 32,
      2 ** 19,
      0xff030201,
    ],
    ['2-byte size counts from 256', '28b52ffd 40 48 0000', 8, 256, 2 ** 19, 0],
  ] as const;
  for (const [what, text, headerLength, contentSize, windowSize, dictionaryId] of headers) {
    it(`reads ${what}, byte by byte`, () => {
      const bytes = hex(text);
      for (let n = 0; n < bytes.length; n += 1) {
        assert.equal(parseZstdHeader(bytes.subarray(0, n)), undefined, `${n} bytes`);
      }
      const header = parseZstdHeader(Buffer.concat([Buffer.alloc(3), bytes]), 3);
      assert.ok(header?.kind === 'frame');
      assert.equal(header.headerLength, headerLength);
      assert.equal(header.contentSize, contentSize);
      assert.equal(header.windowSize, windowSize);
      assert.equal(header.dictionaryId, dictionaryId);
      assert.equal(header.singleSegment, false);
    });
  }

  it('recognises skippable frames', () => {
    const bytes = hex('5f2a4d18 00010000');
    assert.equal(parseZstdHeader(bytes.subarray(0, 7)), undefined);
    assert.deepEqual(parseZstdHeader(bytes), { kind: 'skippable', headerLength: 8, contentSize: 256 });
  });

  it('refuses other bytes', () => {
    for (const text of ['28b52ffe', '602a4d18', '00000000', '28b52ffd 08']) {
      assert.throws(() => parseZstdHeader(hex(text)), RamferryError);
    }
  });
});

describe('zstd blocks', () => {
  it('are read with type, length and bound', () => {
    assert.equal(parseZstdBlockHeader(hex('0100'), 0), undefined);
    assert.deepEqual(parseZstdBlockHeader(hex('190000'), 0), {
      last: true,
      type: 'raw',
      encodedLength: 3,
      decodedBound: 3,
    });
    assert.deepEqual(parseZstdBlockHeader(hex('02 00 10'), 0), {
      last: false,
      type: 'rle',
      encodedLength: 1,
      decodedBound: 131_072,
    });
    assert.equal(parseZstdBlockHeader(hex('1c0000'), 0)?.decodedBound, 131_072);
  });

  it('are refused, when longer than the limit', () => {
    assert.throws(() => parseZstdBlockHeader(hex('08 00 10'), 0), /longer/);
  });

  for (const [binding, open] of zstdBindings) {
    it(`of ${binding} are walked exactly to the end of the frame`, async () => {
      for (const size of [0, 1, 5000, 400_000]) {
        const room = roomFor(size);
        const length = await open().compressFrame(room, memoryLike(size), 3);
        const extent = walkZstdFrame(room);
        assert.equal(extent.encodedLength, length);
        assert.equal(extent.header.contentSize, size);
        assert.equal(extent.header.checksum, true);
        assert.ok(extent.decodedBound >= size && extent.decodedExact <= size);
        assert.throws(() => walkZstdFrame(room.subarray(0, length - 1)), RamferryError);
      }
    });
  }
});
