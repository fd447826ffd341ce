// The writes of the guest's program, their times, and the dirty bitmap.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CountedActivity, TimedActivity } from '../../src/guest/activity.js';
import { DirtyBitmap } from '../../src/guest/dirty-bitmap.js';
import { GuestRam } from '../../src/guest/ram.js';
import { Random } from '../../src/image/random.js';
import { Workload } from '../../src/guest/workload.js';
import { WRITE_PATTERNS, type WritePattern } from '../../src/options/amounts.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { code, FakeClock } from './harness.js';

function workload(pattern: WritePattern, pages = 64, firstPage = 10, seed = 3) {
  const ram = new GuestRam(200);
  const dirty = new DirtyBitmap(200);
  return { ram, dirty, load: new Workload(ram, dirty, { pattern, firstPage, pages, seed }) };
}

function dirtyPages(dirty: DirtyBitmap): number[] {
  return [...dirty.batches(7)].flatMap((batch) => [...batch]);
}

function wholeRam(ram: GuestRam): Buffer {
  return Buffer.concat([...ram.pieces()]);
}

/** Pages whose bytes differ. */
function changed(before: Buffer, after: Buffer): number[] {
  const pages: number[] = [];
  for (let page = 0; page < before.length / PAGE_BYTES; page++) {
    const [from, to] = [page * PAGE_BYTES, (page + 1) * PAGE_BYTES];
    if (!before.subarray(from, to).equals(after.subarray(from, to))) pages.push(page);
  }
  return pages;
}

describe('Workload', () => {
  for (const pattern of WRITE_PATTERNS) {
    it(`${pattern}: touches every page of its working set once before any twice, and no other`, () => {
      for (const pages of [1, 2, 3, 4, 63, 64, 100]) {
        const { load, dirty } = workload(pattern, pages);
        load.write(pages);
        assert.deepEqual(
          dirtyPages(dirty),
          Array.from({ length: pages }, (_, i) => 10 + i),
        );
        assert.equal(dirty.count, pages);
        assert.equal(load.written, pages);
      }
    });

    it(`${pattern}: marks exactly the pages that it changes`, () => {
      const { load, dirty, ram } = workload(pattern);
      const before = wholeRam(ram);
      load.write(20);
      const pages = changed(before, wholeRam(ram));
      assert.deepEqual(pages, pattern === 'same' ? [] : dirtyPages(dirty));
      assert.equal(dirty.count, 20);
    });

    it(`${pattern}: writes the same for the same seed`, () => {
      const one = workload(pattern);
      const two = workload(pattern);
      one.load.write(150);
      for (let i = 0; i < 150; i++) two.load.write(1);
      assert.equal(one.ram.hash(), two.ram.hash());
      if (pattern !== 'integers' && pattern !== 'lines') return;
      const other = workload(pattern, 64, 10, 4);
      other.load.write(150);
      assert.notEqual(one.ram.hash(), other.ram.hash());
    });
  }

  it('integers: fills many numbers as if one at a time', () => {
    const words = new Uint32Array(500);
    const [many, single] = [new Random(8), new Random(8)];
    many.fillBelow(words, 100_000);
    assert.deepEqual(
      [...words],
      Array.from(words, () => single.below(100_000)),
    );
    assert.equal(many.next(), single.next());
  });

  it('integers: a page holds 1024 different-looking numbers below 100,000', () => {
    const { load, ram } = workload('integers', 1);
    load.write(1);
    const page = ram.page(10);
    const numbers = Array.from({ length: 1024 }, (_, i) => page.readUInt32LE(4 * i));
    assert.ok(numbers.every((number) => number < 100_000));
    assert.ok(Math.max(...numbers) > 90_000);
    assert.ok(new Set(numbers).size > 900);
  });

  it('lines: one write changes one cache line', () => {
    const { load, ram } = workload('lines', 1);
    load.write(1);
    const page = ram.page(10);
    const lines = Array.from({ length: 64 }, (_, i) => page.subarray(64 * i, 64 * i + 64));
    assert.equal(lines.filter((line) => line.some((byte) => byte !== 0)).length, 1);
  });

  it('counters: eight counters go up by one, carrying into the high half', () => {
    const { load, ram } = workload('counters', 1);
    ram.page(10).writeUInt32LE(0xffff_ffff, 512);
    load.write(3);
    const page = ram.page(10);
    assert.equal(page.readBigUInt64LE(0), 3n);
    assert.equal(page.readBigUInt64LE(512), 0x1_0000_0002n);
    assert.equal(page.readBigUInt64LE(3584), 3n);
    assert.equal(page.filter((byte) => byte !== 0).length, 9);
  });

  it('refuses a working set that does not lie within RAM', () => {
    for (const [pages, first] of [
      [201, 0],
      [1, 200],
      [0, 0],
      [10, -1],
      [1.5, 0],
    ] as const) {
      assert.throws(() => workload('same', pages, first), code('ERR_OPTION_INVALID'));
    }
  });
});

describe('DirtyBitmap', () => {
  it('gives each marked page once, ascending, and clears it', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 200 })
          .chain((pages) =>
            fc.tuple(
              fc.constant(pages),
              fc.array(fc.integer({ min: 0, max: pages - 1 })),
              fc.integer({ min: 1, max: 40 }),
            ),
          ),
        ([pages, marks, batch]) => {
          const dirty = new DirtyBitmap(pages);
          for (const page of marks) dirty.mark(page);
          const expected = [...new Set(marks)].sort((a, b) => a - b);
          assert.equal(dirty.count, expected.length);
          const taken = dirty.take();
          assert.equal(dirty.count, 0);
          assert.deepEqual([...dirty.batches(batch)], []);
          const found = [...taken.batches(batch)].flatMap((some) => {
            assert.ok(some.length <= batch);
            return [...some];
          });
          assert.deepEqual(found, expected);
          dirty.markAll();
          assert.equal(dirty.count, pages);
          assert.equal(
            [...dirty.batches(batch)].reduce((sum, some) => sum + some.length, 0),
            pages,
          );
        },
      ),
    );
  });

  it('refuses pages beyond its end', () => {
    const dirty = new DirtyBitmap(33);
    assert.throws(() => dirty.mark(33), RangeError);
    assert.throws(() => dirty.mark(64), RangeError);
  });
});

describe('guest activity', () => {
  it('counted: writes a fixed number of pages, spread over each round', () => {
    const { load } = workload('same');
    const activity = new CountedActivity(load, 10);
    activity.start();
    activity.nextRound();
    activity.advance(0.55);
    assert.equal(load.written, 5);
    activity.advance(1);
    activity.advance(1);
    assert.equal(load.written, 10);
    activity.nextRound();
    activity.advance(0.1);
    assert.equal(load.written, 11);
  });

  it('timed: keeps its rate at any interval of calls', () => {
    const clock = new FakeClock();
    const { load } = workload('same', 190, 0);
    const activity = new TimedActivity(load, 1000, clock);
    clock.advance(5000);
    activity.start();
    for (const step of [0.3, 0.3, 0.3, 0.3, 10, 0.1, 88.7]) {
      clock.advance(step);
      activity.advance();
    }
    assert.equal(load.written, 100);
  });

  it('timed: never writes a page twice in one burst', () => {
    const clock = new FakeClock();
    const { load } = workload('same', 64);
    const activity = new TimedActivity(load, 1000, clock);
    activity.start();
    clock.advance(10_000);
    activity.advance();
    assert.equal(load.written, 64);
    clock.advance(10);
    activity.advance();
    assert.equal(load.written, 74);
  });

  it('timed: lets the migration end at a rate that the machine cannot reach', () => {
    const clock = new FakeClock();
    const { load } = workload('same', 190, 0);
    // The rate is five pages a millisecond, but each write takes 5 ms of the only thread.
    const write = load.write.bind(load);
    load.write = (pages) => {
      write(pages);
      clock.advance(5 * pages);
    };
    const activity = new TimedActivity(load, 5000, clock);
    activity.start();
    for (let i = 0; i < 100; i++) {
      clock.advance(1);
      activity.advance();
    }
    assert.ok(load.written <= 1000, `${load.written} pages in 100 ms of sending`);
  });
});
