// The Xen grammar on a real `xl save` file of a live PV migration. An independent script counted the expected numbers: it
// follows the specification record by record.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { decompress } from '@mongodb-js/zstd';
import { recordingPath } from '../../../lab/places.js';
import type { SegmentSink } from '../../../src/grammar/grammar.js';
import type { LibxcRecord } from '../../../src/grammar/xen/libxc-records.js';
import { createXenGrammar } from '../../../src/grammar/xen/libxc.js';
import { XenWalk, type XenHandler } from '../../../src/grammar/xen/wrapping.js';

const file = recordingPath('pv-dirty-live.xlsave.zst');
const skip = existsSync(file) ? false : 'real data is not at hand (shared/data/pv-dirty-live.xlsave.zst)';

const EXPECTED = {
  bytes: 181_566_524,
  records: 56,
  pageDataRecords: 45,
  pages: 44_238,
  entries: 44_240,
  pfnSum: 723_784_726,
  runs: 5557,
  /** Pages per round; a round begins where the pfns descend. */
  rounds: [32_766, 5928, 2378, 1641, 780, 745],
  endOffset: 181_566_508,
};

/** Counts, without keeping anything. */
class Counter implements SegmentSink {
  readonly full = false;
  bytes = 0;
  entries = 0;
  pageCount = 0;
  pfnSum = 0;
  runs = 0;
  rounds: number[] = [];
  marks: string[] = [];
  #next = Infinity;
  #last = -1;

  skeleton(n: number): void {
    this.bytes += n;
  }
  words(n: number): void {
    this.bytes += 8 * n;
    this.entries += n;
    this.#next = Infinity;
  }
  pages(n: number, identity: number): void {
    this.bytes += 4096 * n;
    this.pageCount += n;
    this.pfnSum += n * identity + (n * (n - 1)) / 2;
    if (identity !== this.#next) this.runs += 1;
    if (this.#last >= identity || this.rounds.length === 0) this.rounds.push(0);
    this.rounds.push(this.rounds.pop()! + n);
    this.#next = identity + n;
    this.#last = identity + n - 1;
  }
  pageData(inside: boolean): void {
    this.marks.push(inside ? '+' : '-');
  }
  flush(): void {
    this.marks.push(`flush@${this.bytes}`);
  }
  totals(): void {
    this.marks.push(`totals@${this.bytes}`);
  }
}

describe('Xen grammar: a real live save of a PV guest', { skip }, () => {
  const load = () => decompress(readFileSync(file));

  it('reports the independently counted pages, rounds and offsets', async () => {
    const input = await load();
    for (const size of [1 << 20, 65_521]) {
      const grammar = createXenGrammar('xl');
      const counter = new Counter();
      let consumed = 0;
      for (let fed = 0; fed < input.length;) {
        fed = Math.min(input.length, fed + size);
        consumed += grammar.scan(input.subarray(consumed, fed), fed === input.length, counter);
      }
      assert.equal(consumed, EXPECTED.bytes);
      assert.equal(counter.bytes, EXPECTED.bytes);
      assert.equal(counter.pageCount, EXPECTED.pages);
      assert.equal(counter.entries, EXPECTED.entries);
      assert.equal(counter.pfnSum, EXPECTED.pfnSum);
      assert.equal(counter.runs, EXPECTED.runs);
      assert.deepEqual(counter.rounds, EXPECTED.rounds);
      assert.equal(grammar.opaqueBecause, undefined);
      assert.deepEqual(counter.marks, [
        ...Array.from({ length: 2 * EXPECTED.pageDataRecords }, (_, i) => (i % 2 === 0 ? '+' : '-')),
        `totals@${EXPECTED.endOffset}`,
        `flush@${EXPECTED.endOffset + 8}`,
        `flush@${EXPECTED.bytes}`,
      ]);
    }
  });

  it('reports the independently counted records', async () => {
    const input = await load();
    const records: LibxcRecord[] = [];
    const handler: XenHandler = {
      full: false,
      between: () => undefined,
      begin: (record) => records.push(record),
      body: (_record, _data, start, end) => end - start,
      padding: () => undefined,
      end: () => undefined,
      flush: () => undefined,
    };
    assert.equal(new XenWalk('xl').scan(input, true, handler), input.length);
    assert.equal(records.length, EXPECTED.records);
    assert.deepEqual(
      records.filter(({ type }) => type !== 1).map(({ type, length }) => [type, length]),
      [
        [0x02, 8],
        [0x11, 1176],
        [0x12, 32],
        [0x10, 0],
        [0x03, 520],
        [0x08, 24],
        [0x07, 4096],
        [0x04, 5176],
        [0x05, 72],
        [0x06, 856],
        [0x00, 0],
      ],
    );
    assert.equal(records.at(-1)!.offset, EXPECTED.endOffset);
    assert.equal(records[0]!.offset, 980);
  });
});
