// The guest's own readers and the grammars share no code. Both must find the same pages in the guest's streams.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { grammarFor } from '../../../src/grammar/detect.js';
import type { SegmentSink } from '../../../src/grammar/grammar.js';
import { GUEST_FORMATS } from '../../../src/options/amounts.js';
import { outlineQemu } from '../support/qemu-outline.js';
import { record, smallGuest } from '../harness.js';

class PageCount implements SegmentSink {
  readonly full = false;
  found = 0;
  skeleton(): void {
    // not a page
  }
  words(): void {
    // not a page
  }
  pages(n: number): void {
    this.found += n;
  }
  pageData(): void {
    // for method xenguest
  }
  flush(): void {
    // nothing is kept
  }
  totals(): void {
    // for method xenguest
  }
}

describe('the grammars on streams of the simulated guest', () => {
  for (const format of GUEST_FORMATS) {
    it(`find every page with contents (${format})`, async () => {
      const guest = await smallGuest(format);
      const { stream, report } = await record(guest);
      const kind = format === 'qemu' ? 'qemu' : format.startsWith('xl') ? 'xl' : 'libxc';
      const grammar = grammarFor(kind);
      const count = new PageCount();
      let at = 0;
      while (at < stream.length && grammar.state === 'open') {
        const n = grammar.scan(stream.subarray(at), true, count);
        assert.ok(n > 0, 'the grammar stands still');
        at += n;
      }
      assert.equal(at, stream.length);
      // Zero pages of QEMU streams have no contents.
      const expected =
        format === 'qemu'
          ? outlineQemu(stream).sections.reduce((sum, { pages }) => sum + pages, 0)
          : report.pages;
      assert.ok(expected > 4000);
      assert.equal(count.found, expected);
    });
  }
});
