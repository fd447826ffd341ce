// The geometry of slots, and outcomes that cross threads in them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { RamferryError } from '../../src/errors.js';
import { STATE } from '../../src/slot/job.js';
import {
  allocateArena,
  slotBytes,
  type SlotGeometry,
  slotViews,
  type SlotViews,
} from '../../src/slot/layout.js';
import { jobDone, jobError, jobFailed } from '../../src/slot/outcome.js';

const geometries: fc.Arbitrary<SlotGeometry> = fc.record({
  slots: fc.integer({ min: 1, max: 5 }),
  base: fc.integer({ min: 0, max: 512 }).map((n) => n * 8),
  segments: fc.nat(600),
  headroom: fc.nat(70_000),
  input: fc.integer({ min: 1, max: 70_000 }),
  output: fc.integer({ min: 1, max: 70_000 }),
});

const areas = ({ memory, segments, front, output }: SlotViews) => ({
  ...memory,
  segments,
  front,
  output,
});

describe('slotViews', () => {
  it('makes areas of the requested sizes, inside the arena and without overlap', () => {
    fc.assert(
      fc.property(geometries, (geometry) => {
        const arena = allocateArena(geometry);
        // One page more: the slots may begin anywhere within it.
        assert.equal(arena.byteLength, 4096 + slotBytes(geometry) * geometry.slots);
        let last = 0;
        for (const slot of slotViews(arena, geometry)) {
          assert.equal(slot.segments.length, geometry.segments * 2);
          assert.equal(slot.front.length, geometry.headroom + geometry.input);
          assert.equal(slot.output.length, geometry.output);
          for (const [name, area] of Object.entries(areas(slot))) {
            assert.equal(area.buffer, arena);
            assert.ok(area.byteOffset >= last, `${name} overlaps what is before it`);
            last = area.byteOffset + area.byteLength;
          }
          assert.equal(slot.input.byteOffset, slot.front.byteOffset + geometry.headroom);
          assert.equal(slot.input.length, geometry.input);
        }
        assert.ok(last <= arena.byteLength);
      }),
    );
  });

  it('begins input and output areas at multiples of a page from the base', () => {
    fc.assert(
      fc.property(geometries, (geometry) => {
        for (const slot of slotViews(allocateArena(geometry), geometry)) {
          assert.equal((slot.input.byteOffset - (geometry.base ?? 0)) % 4096, 0);
          assert.equal((slot.output.byteOffset - (geometry.base ?? 0)) % 4096, 0);
          assert.equal((slot.memory.ints.byteOffset - (geometry.base ?? 0)) % 4096, 0);
        }
      }),
    );
  });

  it('views the same memory at every call', () => {
    const geometry = { slots: 3, segments: 10, headroom: 100, input: 5000, output: 6000 };
    const arena = allocateArena(geometry);
    const ours = slotViews(arena, geometry);
    const theirs = slotViews(arena, geometry);
    ours.forEach((slot, index) => {
      for (const area of Object.values(areas(slot))) {
        if (area instanceof BigUint64Array) area.fill(BigInt(index + 1));
        else area.fill(index + 1);
      }
    });
    theirs.forEach((slot, index) => {
      for (const [name, area] of Object.entries(areas(slot))) {
        assert.ok(
          Array.from<number | bigint>(area).every((value) => Number(value) === index + 1),
          name,
        );
      }
    });
  });
});

describe('outcome of a job', () => {
  const geometry = { slots: 1, segments: 0, headroom: 0, input: 1, output: 65_536 };
  const [slot] = slotViews(allocateArena(geometry), geometry);

  it('jobDone stores the state', () => {
    jobDone(slot!);
    assert.equal(slot!.job.state, STATE.done);
  });

  it('jobFailed carries code, message, hint and place', () => {
    const error = new RamferryError('ERR_STREAM_CODEC', 'größer als erlaubt', { offset: 7, hint: 'nochmal' });
    jobFailed(slot!, error, { sequence: 12 });
    assert.equal(slot!.job.state, STATE.failed);
    assert.deepEqual(jobError(slot!).toData(), { ...error.toData(), sequence: 12 });
  });

  it('jobFailed reports other errors as ERR_INTERNAL', () => {
    for (const thrown of [new TypeError('odd'), 'odd']) {
      jobFailed(slot!, thrown, { sequence: 3 });
      const { code, message, place } = jobError(slot!);
      assert.deepEqual(
        { code, message, place },
        { code: 'ERR_INTERNAL', message: 'odd', place: { sequence: 3 } },
      );
    }
  });
});
