// The encoding of single operations: round trips over all edge values, and all that a writer cannot have written.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { OP, OperationReader, OperationWriter } from '../../src/chunk/operations.js';
import { isTyped } from './typed.js';

const MOST = 2 ** 32 - 1;
const EDGES = [
  0,
  1,
  127,
  128,
  2 ** 14 - 1,
  2 ** 14,
  2 ** 21 - 1,
  2 ** 21,
  2 ** 28 - 1,
  2 ** 28,
  2 ** 31,
  MOST,
];

const unsigned = fc.oneof(fc.constantFrom(...EDGES), fc.integer({ min: 0, max: MOST }));
const signed = fc.oneof(
  fc.constantFrom(0, -1, 1, -64, 63, 64, -65, 2 ** 31 - 1, -(2 ** 31), -(2 ** 31) + 1),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
);
const counts = fc.oneof(
  fc.constantFrom(1, 14, 15, 16, 142, 143, 15 + 2 ** 14, 15 + MOST),
  fc.integer({ min: 1, max: MOST }),
);

function write(room: number, steps: (writer: OperationWriter) => void): OperationWriter {
  const writer = new OperationWriter(new Uint8Array(room));
  steps(writer);
  return writer;
}

describe('OperationWriter and OperationReader', () => {
  it('read what was written: kinds, counts, numbers, signed numbers', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), counts, unsigned, signed), { maxLength: 20 }),
        (steps) => {
          const { bytes, overflow } = write(1000, (writer) => {
            for (const [kind, count, number, value] of steps) {
              writer.begin(kind, count);
              writer.number(number);
              writer.signed(value);
            }
          });
          assert.ok(!overflow);
          const reader = new OperationReader(bytes);
          for (const step of steps) {
            assert.ok(reader.next());
            assert.deepEqual([reader.kind, reader.count, reader.number(), reader.signed()], step);
          }
          assert.ok(!reader.next());
        },
      ),
      { numRuns: 500 },
    );
  });

  it('write the bytes of the specification', () => {
    const written = (count: number): number[] => [
      ...write(20, (writer) => {
        writer.begin(OP.zero, count);
      }).bytes,
    ];
    assert.deepEqual(written(1), [0x13]);
    assert.deepEqual(written(14), [0xe3]);
    assert.deepEqual(written(15), [0xf3, 0]);
    assert.deepEqual(written(15 + 127), [0xf3, 0x7f]);
    assert.deepEqual(written(15 + 128), [0xf3, 0x80, 0x01]);
    const zigzag = write(20, (writer) => {
      for (const value of [0, -1, 1, -2, 2]) writer.signed(value);
    });
    assert.deepEqual([...zigzag.bytes], [0, 1, 2, 3, 4]);
  });

  it('set overflow and write nothing more, when the memory is full', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.array(fc.tuple(counts, unsigned)), (room, steps) => {
        const memory = new Uint8Array(room + 8).fill(0xa5);
        const writer = new OperationWriter(memory.subarray(0, room));
        for (const [count, number] of steps) {
          const before = writer.bytes.slice();
          writer.begin(OP.listLE, count);
          writer.number(number);
          assert.deepEqual(writer.bytes.slice(0, before.length), before);
        }
        assert.ok(memory.subarray(room).every((byte) => byte === 0xa5));
        if (!writer.overflow) {
          const reader = new OperationReader(writer.bytes);
          for (const step of steps) {
            assert.ok(reader.next(), 'nothing is left out without a word');
            assert.deepEqual([reader.count, reader.number()], step);
          }
        }
        writer.reset();
        assert.equal(writer.length, 0);
        assert.ok(!writer.overflow);
      }),
    );
  });
});

describe('OperationReader with malformed operations', () => {
  const cases: Record<string, number[]> = {
    'a count of 0': [0x02],
    'an escaped count that is missing': [0xf2],
    'a number that ends early': [0x14, 0x80],
    'a number of five bytes whose last has too many bits': [0x14, 0xff, 0xff, 0xff, 0xff, 0x10],
    'a number of six bytes': [0x14, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    'a number with a superfluous zero': [0x14, 0x81, 0x00],
    'zero in two bytes': [0x14, 0x80, 0x00],
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(`fails with ERR_STREAM_FORMAT: ${name}`, () => {
      const reader = new OperationReader(Uint8Array.from(bytes));
      assert.throws(() => {
        reader.next();
        reader.number();
      }, isTyped('ERR_STREAM_FORMAT'));
    });
  }

  it('reads random bytes as operations that are written the same, or fails with ERR_STREAM_FORMAT', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        const reader = new OperationReader(bytes);
        const numbers: number[] = [];
        try {
          for (let index = 0; index < bytes.length; index++) numbers.push(reader.number());
        } catch (thrown) {
          assert.ok(isTyped('ERR_STREAM_FORMAT')(thrown));
        }
        const again = write(200, (writer) => {
          for (const number of numbers) writer.number(number);
        });
        assert.deepEqual(
          [...again.bytes],
          [...bytes.subarray(0, again.length)],
          'only the shortest form is read',
        );
      }),
      { numRuns: 1000 },
    );
  });
});
