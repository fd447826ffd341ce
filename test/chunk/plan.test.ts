// Plan and expand: any segment table is restored byte by byte, and the plan keeps the limits that other files rely on.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { OP, OperationReader } from '../../src/chunk/operations.js';
import { OPERATIONS_CAPACITY, type Plan, plainExcess, type PlanInput } from '../../src/chunk/plan.js';
import { MAX_SEGMENTS, SEGMENT } from '../../src/chunk/segments.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { noise } from '../codec/support.js';
import { bytesOf, chunks, expander, inputOf, page, type Piece, planner, sharedBuffer } from './support.js';

function expand(plan: Plan, length: number): { bytes: Buffer; counts: object } {
  const body = Buffer.from(plan.body);
  const bytes = sharedBuffer(length).fill(0x77);
  const operations = body.subarray(0, plan.operationsLength);
  const counts = expander(length).expand(operations, body.subarray(plan.operationsLength), bytes);
  return { bytes, counts };
}

function check(plan: Plan, input: PlanInput, expected: Buffer): void {
  assert.ok(plan.body.length <= input.length + plainExcess(false));
  assert.ok(plan.operationsLength >= 1 && plan.operationsLength <= OPERATIONS_CAPACITY);
  const { zero, literal, duplicate } = plan;
  const { bytes, counts } = expand(plan, input.length);
  assert.ok(bytes.equals(expected));
  assert.deepEqual(counts, { zero, literal, duplicate, same: 0, delta: 0 });
}

describe('Planner and Expander', () => {
  it('restore any chunk', () => {
    fc.assert(
      fc.property(chunks, (pieces) => {
        const input = inputOf(pieces);
        check(planner(input.length).plan(input), input, bytesOf(pieces));
      }),
      { numRuns: 400 },
    );
  });

  it('restore a chunk that is only stored', () => {
    fc.assert(
      fc.property(chunks, (pieces) => {
        const input = inputOf(pieces);
        const plan = planner(input.length).store(input);
        check(plan, input, bytesOf(pieces));
        assert.deepEqual([plan.zero, plan.literal, plan.duplicate], [0, 0, 0]);
      }),
      { numRuns: 50 },
    );
  });

  it('plan the same after other chunks', () => {
    fc.assert(
      fc.property(chunks, chunks, (before, pieces) => {
        const room = Math.max(bytesOf(before).length, bytesOf(pieces).length);
        const used = planner(room);
        used.plan(inputOf(before));
        const again = Buffer.from(used.plan(inputOf(pieces)).body);
        assert.ok(again.equals(planner(room).plan(inputOf(pieces)).body));
      }),
      { numRuns: 100 },
    );
  });

  it('count zero, literal and duplicate pages, and leave only literal pages for the codec', () => {
    const pieces: Piece[] = [
      { kind: 'pages', pages: [0, 0, 2, 3, 2, 2, 0] },
      { kind: 'skeleton', bytes: Buffer.from('between') },
      { kind: 'pages', pages: [3, 4, 4, 4, 0] },
    ];
    const input = inputOf(pieces);
    const plan = planner(input.length).plan(input);
    assert.deepEqual([plan.zero, plan.literal, plan.duplicate], [4, 3, 5]);
    assert.equal(plan.body.length - plan.operationsLength, 3 * PAGE_BYTES + 7);
    check(plan, input, bytesOf(pieces));
  });

  it('join neighbours of the same kind to one operation', () => {
    const input = inputOf([
      { kind: 'pages', pages: [0, 0] },
      { kind: 'pages', pages: [0, 2, 4] },
      { kind: 'pages', pages: [6] },
      { kind: 'skeleton', bytes: noise(5) },
      { kind: 'skeleton', bytes: noise(6) },
    ]);
    const plan = planner(input.length).plan(input);
    const reader = new OperationReader(plan.body.subarray(0, plan.operationsLength));
    const seen: [number, number][] = [];
    while (reader.next()) seen.push([reader.kind, reader.count]);
    assert.deepEqual(seen, [
      [OP.zero, 3],
      [OP.literal, 3],
      [OP.bytes, 11],
    ]);
  });

  it('leave content in one stretch where it is, and gather scattered content', () => {
    const stretch = inputOf([
      { kind: 'pages', pages: [0, 0, 2, 4] },
      { kind: 'skeleton', bytes: noise(9) },
    ]);
    const plan = planner(stretch.length).plan(stretch);
    assert.equal(plan.body.buffer, stretch.front.buffer);
    const scattered = inputOf([{ kind: 'pages', pages: [2, 0, 4] }]);
    assert.notEqual(planner(scattered.length).plan(scattered).body.buffer, scattered.front.buffer);
  });

  it('accept operations as long as their room in front of a stretch', () => {
    // Words without a pattern: several bytes of operations each, and one stretch of content at the end.
    const words = Array.from({ length: 7000 }, (_, index) =>
      BigInt.asUintN(64, BigInt(index) ** 3n * 0x1_0001n),
    );
    const pieces: Piece[] = [
      { kind: 'words', words, bigEndian: false },
      { kind: 'pages', pages: [2, 4] },
    ];
    const input = inputOf(pieces);
    const plan = planner(input.length).plan(input);
    assert.ok(plan.operationsLength > 40_000, `${plan.operationsLength} bytes of operations`);
    assert.equal(plan.body.buffer, input.front.buffer);
    check(plan, input, bytesOf(pieces));
  });

  it('plan plain bytes, when a chunk has too many operations', () => {
    const random = Array.from({ length: 30_000 }, (_, index) => BigInt.asUintN(64, BigInt(index + 1) ** 17n));
    for (const bigEndian of [false, true]) {
      const pieces: Piece[] = [
        { kind: 'pages', pages: [0, 2, 2] },
        { kind: 'words', words: random, bigEndian },
        { kind: 'pages', pages: [0, 0] },
      ];
      const input = inputOf(pieces);
      const plan = planner(input.length).plan(input);
      assert.deepEqual([plan.zero, plan.literal, plan.duplicate], [0, 0, 0]);
      assert.ok(plan.operationsLength <= 6);
      check(plan, input, bytesOf(pieces));
    }
  });

  it('plan plain bytes, when words cost more than they save', () => {
    const pieces: Piece[] = [
      { kind: 'words', words: [0x8000_0000_8000_0000n, 0x7fff_ffff_7fff_ffffn], bigEndian: false },
    ];
    const input = inputOf(pieces);
    const plan = planner(input.length).plan(input);
    assert.ok(plan.body.length <= 16 + plainExcess(false));
    check(plan, input, bytesOf(pieces));
  });

  it('restore a full segment table', () => {
    const pieces: Piece[] = Array.from({ length: MAX_SEGMENTS }, (_, index) =>
      index % 2 === 0
        ? { kind: 'skeleton', bytes: noise(1 + (index % 3), index + 1) }
        : { kind: 'words', words: [BigInt(index)], bigEndian: false },
    );
    const input = inputOf(pieces);
    check(planner(input.length).plan(input), input, bytesOf(pieces));
  });

  it('throw, when the segment table does not cover the chunk', () => {
    const input = inputOf([{ kind: 'pages', pages: [2] }]);
    const short = { ...input, segments: Int32Array.of(SEGMENT.skeleton, 100), segmentCount: 1 };
    assert.throws(() => planner(input.length).plan(short), /segments cover 100 of 4096 bytes/);
  });

  it('do not depend on bytes behind the chunk', () => {
    const input = inputOf([{ kind: 'pages', pages: [2, 0] }]);
    const front = Buffer.concat([input.front, page(3)]);
    const longer = { ...input, front };
    const plan = Buffer.from(planner(2 * PAGE_BYTES).plan(longer).body);
    assert.ok(plan.equals(planner(2 * PAGE_BYTES).plan(input).body));
  });
});
