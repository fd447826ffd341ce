// Zero pages, fingerprints and duplicates, in shared memory and at any alignment.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { DuplicateFinder } from '../../src/page/duplicates.js';
import { fingerprint } from '../../src/page/fingerprint.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { isZeroPage } from '../../src/page/zero.js';

interface Memory {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** Shared memory full of 0xA5, `offset` bytes into its buffer. */
function memory(length: number, offset: number): Memory {
  const buffer = new SharedArrayBuffer(offset + length + 7);
  new Uint8Array(buffer).fill(0xa5);
  return { bytes: Buffer.from(buffer, offset, length), view: new DataView(buffer, offset, length) };
}

const offsets = fc.integer({ min: 0, max: 67 });
const positions = fc.oneof(
  fc.integer({ min: 0, max: PAGE_BYTES - 1 }),
  fc.constantFrom(0, 3, 4, 2047, 2048, 2051, 2052, 4091, 4092, 4095),
);
const byteValues = fc.integer({ min: 1, max: 255 });

describe('isZeroPage', () => {
  it('recognises a page of zeros between other bytes', () => {
    fc.assert(
      fc.property(offsets, offsets, (base, at) => {
        const { bytes, view } = memory(at + PAGE_BYTES + 9, base);
        bytes.fill(0, at, at + PAGE_BYTES);
        assert.ok(isZeroPage(bytes, view, at));
      }),
    );
  });

  it('notices a single bit anywhere in the page', () => {
    fc.assert(
      fc.property(offsets, offsets, positions, fc.nat(7), (base, at, position, bit) => {
        const { bytes, view } = memory(at + PAGE_BYTES + 9, base);
        bytes.fill(0, at, at + PAGE_BYTES);
        bytes[at + position] = 1 << bit;
        assert.ok(!isZeroPage(bytes, view, at));
      }),
      { numRuns: 500 },
    );
  });
});

describe('fingerprint', () => {
  it('is the same for equal pages, at any offset', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: PAGE_BYTES, maxLength: PAGE_BYTES }),
        offsets,
        offsets,
        (page, one, other) => {
          const a = memory(PAGE_BYTES, one);
          const b = memory(PAGE_BYTES + other, other);
          a.bytes.set(page);
          b.bytes.set(page, other);
          assert.equal(fingerprint(a.view, 0), fingerprint(b.view, other));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('differs for pages that differ at their ends or at round offsets', () => {
    const { bytes, view } = memory(PAGE_BYTES, 3);
    bytes.fill(0);
    const seen = new Set([fingerprint(view, 0)]);
    for (const at of [0, 1024, 2560, PAGE_BYTES - 1]) {
      bytes[at] = 1;
      seen.add(fingerprint(view, 0));
      bytes[at] = 0;
    }
    assert.equal(seen.size, 5);
  });
});

describe('DuplicateFinder', () => {
  /** Pages of a small alphabet, so that there are many duplicates, which differ only at places that the fingerprint does not sample. */
  const letters = fc.array(fc.nat(11), { minLength: 1, maxLength: 40 });

  function paint(target: Buffer, letter: number): void {
    target.fill(0x11);
    // Three fingerprints among twelve contents: the comparison has to tell the rest apart.
    target[0] = letter % 3;
    target[4000] = letter;
  }

  function find(pages: readonly number[], base: number, gap: number, finder: DuplicateFinder): number[] {
    const { bytes, view } = memory(pages.length * (PAGE_BYTES + gap), base);
    finder.begin();
    return pages.map((letter, index) => {
      const at = index * (PAGE_BYTES + gap);
      paint(bytes.subarray(at, at + PAGE_BYTES), letter);
      return finder.find(bytes, view, index, at);
    });
  }

  it('finds an exact earlier copy or none, and always the page before where it is equal', () => {
    fc.assert(
      fc.property(letters, offsets, offsets, (pages, base, gap) => {
        find(pages, base, gap, new DuplicateFinder(pages.length)).forEach((earlier, index) => {
          if (earlier >= 0) {
            assert.ok(earlier < index);
            assert.equal(pages[earlier], pages[index]);
          } else {
            assert.equal(earlier, -1);
            assert.notEqual(pages[index - 1], pages[index], `page ${index} equals the one before it`);
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  it('depends on the pages alone, not on alignment or earlier chunks', () => {
    fc.assert(
      fc.property(letters, letters, offsets, offsets, (before, pages, base, gap) => {
        const used = new DuplicateFinder(Math.max(before.length, pages.length));
        find(before, 0, 0, used);
        const fresh = new DuplicateFinder(Math.max(before.length, pages.length));
        assert.deepEqual(find(pages, base, gap, used), find(pages, 0, 0, fresh));
      }),
      { numRuns: 100 },
    );
  });

  it('finds every copy of a page, when pages with other fingerprints come between', () => {
    const { bytes, view } = memory(8 * PAGE_BYTES, 1);
    const finder = new DuplicateFinder(8);
    finder.begin();
    const found = [1, 2, 1, 3, 2, 1, 3, 4].map((value, index) => {
      bytes.fill(value, index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
      return finder.find(bytes, view, index, index * PAGE_BYTES);
    });
    assert.deepEqual(found, [-1, -1, 0, -1, 1, 0, 3, -1]);
  });

  it('distinguishes pages that differ in any one byte', () => {
    fc.assert(
      fc.property(positions, byteValues, (position, value) => {
        const { bytes, view } = memory(2 * PAGE_BYTES, 5);
        bytes[PAGE_BYTES + position] = 0xa5 ^ value;
        const finder = new DuplicateFinder(2);
        finder.begin();
        assert.equal(finder.find(bytes, view, 0, 0), -1);
        assert.equal(finder.find(bytes, view, 1, PAGE_BYTES), -1);
      }),
      { numRuns: 300 },
    );
  });
});
