// The sender's account of the page store: suggested slots, needed chunks, evicted pages, and tables that stay small whatever the
// identities.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { OPERATIONS_CAPACITY } from '../../src/chunk/plan.js';
import { SEGMENT } from '../../src/chunk/segments.js';
import { NO_SLOT, NO_TALLY, ownSlot } from '../../src/chunk/store-plan.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { IdentityTable } from '../../src/store/identities.js';
import { Ledger } from '../../src/store/ledger.js';
import { StoreGovernor } from '../../src/store/store-governor.js';
import { EqualPages } from '../../src/store/equal-pages.js';
import { PageRuns } from '../../src/store/page-runs.js';

function runsOf(identities: number[]): PageRuns {
  const runs = new PageRuns(identities.length);
  for (const identity of identities) runs.add(1, identity);
  return runs;
}

/** Enters a chunk of pages, each an identity and a byte that it is full of; its results are there at once. */
function entering(ledger: Ledger): (pages: [identity: number, fill: number][]) => {
  needs: number;
  table: number[];
} {
  let sequence = 0;
  return (pages) => {
    const front = Buffer.alloc(OPERATIONS_CAPACITY + pages.length * PAGE_BYTES);
    pages.forEach(([, fill], index) => {
      const at = OPERATIONS_CAPACITY + index * PAGE_BYTES;
      front.fill(fill, at, at + PAGE_BYTES);
    });
    const suggestions = new Int32Array(pages.length * 2);
    assert.ok(ledger.ready(sequence));
    const { needs } = ledger.enter({
      sequence: sequence++,
      front,
      segments: Int32Array.of(SEGMENT.pages, pages.length),
      segmentCount: 1,
      runs: runsOf(pages.map(([identity]) => identity)),
      suggestions,
    });
    ledger.report(NO_TALLY);
    // Which pages belong to the sample does not matter here.
    const sampled = ownSlot(0, false, true);
    const plain = (entry: number, at: number): number =>
      at % 2 === 0 && entry >= 0 ? entry & ~sampled : entry;
    return { needs, table: [...suggestions].map(plain) };
  };
}

const NONE = [NO_SLOT, NO_SLOT];

describe('Ledger', () => {
  it('keeps new pages, finds them when they come again, and needs the chunks that touched them', () => {
    const enter = entering(new Ledger(4));
    assert.deepEqual(
      enter([
        [10, 1],
        [11, 2],
      ]),
      { needs: 0, table: [ownSlot(0, false), -1, ownSlot(1, false), -1] },
    );
    assert.deepEqual(enter([[12, 3]]), { needs: 0, table: [ownSlot(2, false), -1] });
    assert.deepEqual(enter([[11, 9]]), { needs: 1, table: [ownSlot(1, true), -1] });
    assert.deepEqual(
      enter([
        [11, 8],
        [10, 1],
      ]),
      { needs: 3, table: [ownSlot(1, true), -1, ownSlot(0, true), -1] },
    );
  });

  it('suggests equal pages of earlier chunks, but none for zeros and pages without identity', () => {
    const enter = entering(new Ledger(4));
    enter([[10, 1]]);
    assert.deepEqual(
      enter([
        [11, 1],
        [12, 0],
        [-1, 1],
        [13, 5],
        [14, 5],
      ]),
      {
        needs: 1,
        table: [NO_SLOT, 0, ...NONE, ...NONE, ownSlot(1, false), -1, ownSlot(2, false), -1],
      },
    );
    // A chunk that writes the slot needs the chunks that read it.
    assert.equal(enter([[10, 7]]).needs, 2);
  });

  it('evicts only pages that a round has passed', () => {
    const enter = entering(new Ledger(2));
    enter([
      [10, 1],
      [20, 2],
      [30, 3],
    ]);
    // 30 comes again: 10 and 20 were passed over.
    assert.deepEqual(enter([[30, 4]]).table, [ownSlot(0, false), -1]);
    // 40 is new in this round: nothing is known of it. 20 again: still in its slot.
    assert.deepEqual(enter([[40, 4]]).table, NONE);
    assert.deepEqual(
      enter([
        [30, 5],
        [20, 9],
      ]).table,
      [ownSlot(0, true), -1, ownSlot(1, true), -1],
    );
    // Both were sent in this round: 40 finds no place.
    assert.deepEqual(enter([[40, 6]]).table, NONE);
  });

  it('applies the results of a chunk 64 chunks later', () => {
    const ledger = new Ledger(1);
    assert.ok(ledger.ready(63));
    assert.ok(!ledger.ready(64));
    ledger.skip();
    ledger.report(NO_TALLY);
    assert.ok(ledger.ready(64));
    assert.ok(!ledger.ready(65));
  });
});

describe('PageRuns', () => {
  it('joins pages whose identities count up', () => {
    const runs = runsOf([5, 6, 7, 9, -1, -1, 0, 1, 2 ** 40, 2 ** 40 + 1]);
    assert.deepEqual([...runs.firsts.subarray(0, runs.length)], [5, 9, -1, -1, 0, 2 ** 40]);
    assert.deepEqual([...runs.counts.subarray(0, runs.length)], [3, 1, 1, 1, 2, 2]);
    assert.equal(runs.pages, 10);
    runs.clear();
    runs.add(2, 10);
    assert.deepEqual([runs.length, runs.firsts[0], runs.counts[0], runs.pages], [1, 10, 2, 2]);
  });
});

describe('IdentityTable', () => {
  const see = (table: IdentityTable, identity: number): boolean => {
    table.seek(identity);
    return table.see();
  };

  it('stays small, when identities are far apart', () => {
    const table = new IdentityTable();
    const pages = 20_000;
    for (let page = 0; page < pages; page++) see(table, page * 1_000_003);
    assert.ok(table.bytes <= 4 * 1024 * 1024 + pages * PAGE_BYTES * 0.005);
    assert.ok(!table.hasRoom);
    assert.equal(table.slot, -1);
  });

  it('takes four bytes for each page, when identities are dense', () => {
    const table = new IdentityTable();
    const pages = 1 << 20;
    table.seek(0);
    for (let page = 0; page < pages; page++) {
      assert.ok(!table.see());
      table.next();
    }
    assert.equal(table.bytes, pages * 4);
    assert.ok(see(table, 77));
    assert.equal(table.current, 77);
    assert.equal(table.slot, -1);
    table.assign(5);
    assert.equal(table.slot, 5);
    table.next();
    assert.equal(table.slot, -1);
    table.forget(77);
    table.seek(77);
    assert.equal(table.slot, -1);
    assert.ok(table.see());
  });

  it('finds pages again, whose identities exceed 32 bits', () => {
    const table = new IdentityTable();
    const last = 2 ** 52 + 4095;
    assert.ok(!see(table, last));
    table.assign(3);
    table.next();
    assert.equal(table.current, last + 1);
    assert.ok(!table.see());
    table.seek(last);
    assert.equal(table.slot, 3);
  });
});

describe('StoreGovernor', () => {
  const all = Array.from({ length: 4096 }, (_, identity) => identity);
  const sampleOf = (control: StoreGovernor): number[] => all.filter((identity) => control.samples(identity));
  const result = (sampled: number, gain: number, cost: number) => ({ ...NO_TALLY, sampled, gain, cost });

  it('turns the store off, when it costs more than it gains', () => {
    const control = new StoreGovernor();
    control.judge(result(127, 0, 1000), 0);
    assert.ok(control.comparing, 'too few pages to judge');
    control.judge(result(1, 1001, 0), 0);
    assert.ok(control.comparing);
    control.judge(result(256, 999, 1000), 0);
    assert.ok(!control.comparing);
    assert.equal(control.turnedOff, 1);
  });

  it('keeps a smaller sample while off, which is part of the larger one', () => {
    const control = new StoreGovernor();
    const first = sampleOf(control);
    assert.ok(first.length > 192 && first.length < 320, `${first.length}`);
    control.judge(result(256, 0, 1000), 0);
    assert.deepEqual(sampleOf(control), first);
    control.judge(result(256, 0, 1000), 0);
    const second = sampleOf(control);
    assert.ok(second.length > 32 && second.length < 96, `${second.length}`);
    assert.ok(second.every((identity) => first.includes(identity)));
    assert.equal(control.turnedOff, 1);
  });

  it('turns the store on again with the larger sample, when it clearly pays', () => {
    const control = new StoreGovernor();
    const first = sampleOf(control).length;
    control.judge(result(256, 0, 1000), 0);
    control.judge(result(256, 1200, 1000), 0);
    assert.ok(!control.comparing, 'at the edge');
    control.judge(result(128, 1300, 1000), 0);
    assert.ok(control.comparing);
    control.judge(result(128, 1300, 1000), 0);
    assert.equal(sampleOf(control).length, first);
    assert.equal(control.turnedOff, 1);
  });

  it('tolerates missing pages for a round, but not for ever', () => {
    const control = new StoreGovernor();
    const miss = (pages: number): void => {
      for (let page = 0; page < pages; page++) control.miss();
      control.judge(NO_TALLY, 0);
    };
    miss(1000);
    assert.ok(control.comparing);
    miss(1100);
    assert.ok(!control.comparing);
  });

  it('searches only some chunks for equal pages, when few are found', () => {
    const control = new StoreGovernor();
    control.judge(NO_TALLY, 8192);
    assert.equal(control.turnedOff, 1);
    assert.ok(!control.searches(1) && control.searches(16));
    control.judge({ ...NO_TALLY, equalPages: 100 }, 8192);
    assert.ok(control.searches(1));
  });
});

describe('EqualPages', () => {
  it('finds entered pages, and drops forgotten ones', () => {
    const table = new EqualPages(64);
    for (let slot = 0; slot < 64; slot++) table.enter(slot * 7919 + 1, slot);
    const found = Array.from({ length: 64 }, (_, slot) => table.find(slot * 7919 + 1) === slot);
    assert.ok(found.filter(Boolean).length > 56);
    assert.equal(table.find(0), -1);
    table.forget(3);
    assert.equal(table.find(3 * 7919 + 1), -1);
  });
});
