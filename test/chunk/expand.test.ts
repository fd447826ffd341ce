// Hostile operations: each is refused with a typed error, and no byte outside the chunk is written.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { OP, OperationWriter } from '../../src/chunk/operations.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { noise } from '../codec/support.js';
import { expander, page, sharedBuffer } from './support.js';
import { isTyped } from './typed.js';

type Step = readonly [kind: number, count: number, ...args: number[]];

function operations(steps: readonly Step[]): Uint8Array {
  const writer = new OperationWriter(new Uint8Array(4096));
  for (const [kind, count, ...args] of steps) {
    writer.begin(kind, count);
    for (const arg of args) writer.number(arg);
  }
  return writer.bytes;
}

/** Expands into guarded memory; a write outside the chunk fails the test. */
function expand(program: Uint8Array, content: Uint8Array, length: number, pages = length): Buffer {
  const memory = sharedBuffer(length + 128).fill(0x5a);
  const out = memory.subarray(64, 64 + length);
  try {
    expander(pages).expand(program, Buffer.from(content), out);
  } finally {
    for (const edge of [memory.subarray(0, 64), memory.subarray(64 + length)]) {
      assert.ok(
        edge.every((byte) => byte === 0x5a),
        'wrote outside the chunk',
      );
    }
  }
  return out;
}

const HUGE = 2 ** 32 - 1;

describe('Expander', () => {
  it('repeats pages that the same duplicate operation made', () => {
    const out = expand(
      operations([
        [OP.literal, 2],
        [OP.duplicate, 5, 2],
      ]),
      Buffer.concat([page(2), page(3)]),
      7 * PAGE_BYTES,
    );
    assert.ok(out.equals(Buffer.concat([2, 3, 2, 3, 2, 3, 2].map(page))));
  });

  it('counts pages across skeleton between them', () => {
    const out = expand(
      operations([
        [OP.literal, 1],
        [OP.bytes, 3],
        [OP.zero, 1],
        [OP.bytes, 1],
        [OP.duplicate, 1, 2],
      ]),
      Buffer.concat([page(2), Buffer.from('abcd')]),
      3 * PAGE_BYTES + 4,
    );
    assert.ok(out.equals(Buffer.concat([page(2), Buffer.from('abc'), page(0), Buffer.from('d'), page(2)])));
  });

  const P = PAGE_BYTES;
  const cases: [name: string, steps: Step[], content: number, length: number][] = [
    ['more bytes than the chunk has room for', [[OP.bytes, 11]], 11, 10],
    ['more bytes than there is content', [[OP.bytes, 10]], 9, 10],
    ['as many bytes as a number can express', [[OP.bytes, HUGE]], 10, 10],
    ['literal pages beyond the chunk', [[OP.literal, 2]], 2 * P, P],
    ['literal pages beyond the content', [[OP.literal, 2]], 2 * P - 1, 2 * P],
    ['as many literal pages as a number can express', [[OP.literal, HUGE]], P, P],
    ['zero pages beyond the chunk', [[OP.zero, 2]], 0, 2 * P - 1],
    ['as many zero pages as a number can express', [[OP.zero, HUGE + 15]], 0, P],
    ['a duplicate of nothing', [[OP.duplicate, 1, 1]], 0, P],
    [
      'a duplicate at distance 0',
      [
        [OP.zero, 1],
        [OP.duplicate, 1, 0],
      ],
      0,
      2 * P,
    ],
    [
      'a duplicate from before the chunk',
      [
        [OP.zero, 2],
        [OP.duplicate, 1, 3],
      ],
      0,
      3 * P,
    ],
    [
      'a duplicate at the largest distance',
      [
        [OP.zero, 1],
        [OP.duplicate, 1, HUGE],
      ],
      0,
      2 * P,
    ],
    [
      'duplicates beyond the chunk',
      [
        [OP.zero, 1],
        [OP.duplicate, HUGE, 1],
      ],
      0,
      2 * P,
    ],
    ['words beyond the chunk', [[OP.progressionLE, 3, 0, 0, 2]], 0, 23],
    ['as many words as a number can express', [[OP.progressionBE, HUGE, 0, 0, 2]], 0, 24],
    ['a list beyond the chunk', [[OP.listLE, 2, 0, 0, 0]], 0, 15],
    ['too little', [[OP.zero, 1]], 0, P + 1],
    ['nothing at all', [], 0, 1],
    ['content left over', [[OP.bytes, 4]], 5, 4],
    ['kind 0', [[0, 1]], 1, 1],
    ['kind 9', [[9, 1]], 1, 1],
    ['kind 15', [[15, 1]], 1, 1],
  ];
  for (const [name, steps, content, length] of cases) {
    it(`fails with ERR_STREAM_FORMAT: ${name}`, () => {
      assert.throws(() => expand(operations(steps), noise(content), length), isTyped('ERR_STREAM_FORMAT'));
    });
  }

  it('refuses more pages than the stream announced for a chunk', () => {
    assert.throws(
      () => expand(operations([[OP.zero, 4]]), noise(0), 4 * P, 3 * P),
      isTyped('ERR_STREAM_FORMAT'),
    );
  });

  it('gives a typed error or exactly the chunk, for any operations', () => {
    const step = fc
      .tuple(
        fc.integer({ min: 0, max: 9 }),
        fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 5 }) }, fc.integer({ min: 1, max: HUGE })),
        fc.array(fc.oneof({ weight: 4, arbitrary: fc.nat(4) }, fc.nat()), { maxLength: 4 }),
      )
      .map(([kind, count, args]): Step => [kind, count, ...args]);
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 8 }),
        fc.nat(3 * P),
        fc.nat(4 * P),
        (steps, content, length) => {
          try {
            expand(operations(steps), noise(content), length);
          } catch (thrown) {
            isTyped('ERR_STREAM_FORMAT')(thrown);
          }
        },
      ),
      { numRuns: 1500 },
    );
  });
});
