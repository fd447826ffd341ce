// Page numbers and addresses: any words are restored, progressions take a few bytes, hostile operations are refused.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { OP, OperationReader, OperationWriter } from '../../src/chunk/operations.js';
import { readWords, WordWriter } from '../../src/chunk/words.js';
import { isTyped } from './typed.js';

const MASK = 2n ** 64n - 1n;
const word = fc.oneof(
  fc.bigInt({ min: 0n, max: MASK }),
  fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n, MASK),
  fc.bigInt({ min: 0n, max: 300n }),
);
const list = fc.array(word, { minLength: 1, maxLength: 60 });

function toBytes(words: readonly bigint[], bigEndian: boolean): Buffer {
  const bytes = Buffer.alloc(words.length * 8);
  words.forEach((each, index) => {
    if (bigEndian) bytes.writeBigUInt64BE(each, index * 8);
    else bytes.writeBigUInt64LE(each, index * 8);
  });
  return bytes;
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes several stretches of words as one chunk does. */
function encode(stretches: readonly (readonly bigint[])[], bigEndian: boolean): Uint8Array {
  const writer = new OperationWriter(new Uint8Array(65_536));
  const words = new WordWriter(writer);
  for (const stretch of stretches) {
    const bytes = Buffer.concat([Buffer.alloc(3), toBytes(stretch, bigEndian)]);
    words.write(viewOf(bytes), 3, stretch.length, bigEndian);
  }
  assert.ok(!writer.overflow);
  return writer.bytes;
}

function decode(operations: Uint8Array, length: number): Buffer {
  const memory = Buffer.alloc(length + 16, 0xa5);
  const out = memory.subarray(8, 8 + length);
  const reader = new OperationReader(operations);
  const state = { high: 0, low: 0 };
  let at = 0;
  while (reader.next()) at += readWords(reader, state, viewOf(out), at);
  assert.equal(at, length);
  for (const edge of [memory.subarray(0, 8), memory.subarray(8 + length)]) {
    assert.ok(edge.every((byte) => byte === 0xa5));
  }
  return Buffer.from(out);
}

function progression(from: bigint, stride: bigint, count: number): bigint[] {
  return Array.from({ length: count }, (_, index) => (from + stride * BigInt(index)) & MASK);
}

describe('WordWriter and readWords', () => {
  it('restore any words, in both byte orders, in several stretches', () => {
    fc.assert(
      fc.property(fc.array(list, { minLength: 1, maxLength: 5 }), fc.boolean(), (stretches, bigEndian) => {
        const expected = Buffer.concat(stretches.map((words) => toBytes(words, bigEndian)));
        assert.ok(decode(encode(stretches, bigEndian), expected.length).equals(expected));
      }),
      { numRuns: 500 },
    );
  });

  it('restore progressions with any stride, through every overflow of a half', () => {
    fc.assert(
      fc.property(
        word,
        fc.oneof(word, fc.constantFrom(1n, 4096n, MASK, 2n ** 31n)),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        (from, stride, count, bigEndian) => {
          const words = progression(from, stride, count);
          const expected = toBytes(words, bigEndian);
          assert.ok(decode(encode([words], bigEndian), expected.length).equals(expected));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('write a progression of any length in a few bytes', () => {
    for (const bigEndian of [false, true]) {
      for (const count of [4, 100, 100_000]) {
        const bytes = encode([progression(0x1234_5678n << 12n, 4096n, count)], bigEndian);
        assert.ok(bytes.length <= 16, `${count} words in ${bytes.length} bytes`);
      }
    }
  });

  it('write words that count up with gaps in one or two bytes each', () => {
    const words = Array.from({ length: 200 }, (_, index) => BigInt(1000 + index * 3 + (index % 3)));
    const { length } = encode([words], false);
    assert.ok(length < 200 * 1.1 + 10, `${length} bytes`);
  });
});

describe('readWords of hostile operations', () => {
  for (const kind of [OP.progressionLE, OP.progressionBE, OP.listLE, OP.listBE]) {
    it(`kind ${kind}: refuses more words than the output has room for, before it writes one`, () => {
      for (const count of [2, 3, 15, 2 ** 20, 2 ** 32 - 1]) {
        const writer = new OperationWriter(new Uint8Array(64));
        writer.begin(kind, count);
        for (let index = 0; index < 8; index++) writer.signed(1);
        const out = Buffer.alloc(15, 0xa5);
        const reader = new OperationReader(writer.bytes);
        assert.ok(reader.next());
        assert.throws(
          () => readWords(reader, { high: 0, low: 0 }, viewOf(out), 0),
          isTyped('ERR_STREAM_FORMAT'),
        );
        assert.ok(out.every((byte) => byte === 0xa5));
      }
    });

    it(`kind ${kind}: refuses arguments that are cut off`, () => {
      const writer = new OperationWriter(new Uint8Array(64));
      writer.begin(kind, 3);
      for (const value of [1000, -2000, 3000, 4000]) writer.signed(value);
      const progressive = kind === OP.progressionLE || kind === OP.progressionBE;
      const needed = 1 + 2 * (progressive ? 3 : 4);
      for (let length = 1; length < needed; length++) {
        const reader = new OperationReader(writer.bytes.subarray(0, length));
        reader.next();
        assert.throws(
          () => readWords(reader, { high: 0, low: 0 }, viewOf(Buffer.alloc(24)), 0),
          isTyped('ERR_STREAM_FORMAT'),
        );
      }
    });
  }
});
