// Deltas of pages: every change is restored, at any alignment, and no delta makes the decoder write outside its page.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { RamferryError } from '../../src/errors.js';
import { estimateLiteral } from '../../src/page/estimate.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { applyDelta, encodeDelta } from '../../src/page/xbzrle.js';
import { noise } from '../codec/support.js';

function page(bytes: Uint8Array): { words: Int32Array; bytes: Buffer } {
  const words = new Int32Array(PAGE_BYTES / 4);
  const view = Buffer.from(words.buffer);
  view.set(bytes);
  return { words, bytes: view };
}

/** The delta from `old` to `now`, or undefined when it exceeds the limit. */
function delta(old: Uint8Array, now: Uint8Array, limit = 2 * PAGE_BYTES): Buffer | undefined {
  const out = Buffer.alloc(3 * PAGE_BYTES, 0xa5);
  const length = encodeDelta(page(old).words, 0, page(now), out.subarray(7), limit);
  if (length < 0) return undefined;
  assert.ok(length <= limit);
  assert.ok(
    out.subarray(7 + Math.max(length, limit)).every((byte) => byte === 0xa5),
    'wrote beyond the limit',
  );
  return out.subarray(7, 7 + length);
}

/** Stretches of bytes that change: (from, bytes). */
const changes = fc.array(
  fc.tuple(
    fc.oneof(fc.nat(PAGE_BYTES - 1), fc.constantFrom(0, 1, 3, 4, 127, 128, 4088, 4092, 4095)),
    fc.oneof(
      { weight: 5, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 9 }) },
      { weight: 1, arbitrary: fc.uint8Array({ minLength: 40, maxLength: 400 }) },
    ),
  ),
  { maxLength: 12 },
);

describe('encodeDelta and applyDelta', () => {
  it('restore any change of any page', () => {
    fc.assert(
      fc.property(fc.nat(5), changes, fc.nat(9), (seed, places, base) => {
        const old = Buffer.from(noise(PAGE_BYTES, seed + 1));
        const now = Buffer.from(old);
        for (const [at, bytes] of places) now.set(bytes.subarray(0, PAGE_BYTES - at), at);
        const encoded = delta(old, now);
        assert.ok(encoded !== undefined);
        if (encoded.length === 0) {
          assert.deepEqual(now, old);
          return;
        }
        const memory = Buffer.alloc(PAGE_BYTES + base + 16, 0x5a);
        memory.set(old, base);
        applyDelta(memory, base, encoded);
        assert.deepEqual(memory.subarray(base, base + PAGE_BYTES), now);
        assert.ok(memory.subarray(0, base).every((byte) => byte === 0x5a));
        assert.ok(memory.subarray(base + PAGE_BYTES).every((byte) => byte === 0x5a));
      }),
    );
  });

  it('encodeDelta returns -1 beyond its limit', () => {
    const old = Buffer.alloc(PAGE_BYTES);
    const now = Buffer.from(old).fill(1, 100, 200);
    assert.equal(delta(old, now)?.length, 2 + 100);
    assert.ok(delta(old, now, 110) !== undefined);
    assert.equal(delta(old, now, 50), undefined);
    assert.equal(delta(noise(PAGE_BYTES, 1), noise(PAGE_BYTES, 2), 4000), undefined);
  });

  it('write the bytes of the format', () => {
    const old = Buffer.alloc(PAGE_BYTES, 7);
    const now = Buffer.from(old);
    now[2] = 9;
    now[300] = 1;
    now[301] = 2;
    assert.deepEqual([...delta(old, now)!], [2, 1, 9, 0xa9, 0x02, 2, 1, 2]);
    now[4095] = 3;
    assert.deepEqual([...delta(old, now)!.subarray(8)], [0xd1, 0x1d, 1, 3]);
  });

  const hostile: [name: string, bytes: number[]][] = [
    ['is empty', []],
    ['ends within a length', [0x80]],
    ['ends behind the equal bytes', [5]],
    ['ends within its bytes', [5, 3, 1, 2]],
    ['has an empty run', [5, 0]],
    ['has two runs without a gap', [5, 1, 1, 0, 1, 1]],
    ['has a superfluous byte in a length', [0x85, 0x00, 1, 1]],
    ['has a length of three bytes', [0x80, 0x80, 0x01, 1, 1]],
    ['leaves the page by its equal bytes', [0x80, 0x20, 1, 1]],
    ['leaves the page by its run', [0xff, 0x1f, 2, 1, 1]],
  ];
  for (const [name, bytes] of hostile) {
    it(`applyDelta refuses a delta that ${name}`, () => {
      const memory = Buffer.alloc(PAGE_BYTES);
      assert.throws(
        () => applyDelta(memory, 0, Buffer.from(bytes)),
        (thrown) => thrown instanceof RamferryError && thrown.code === 'ERR_STREAM_FORMAT',
      );
    });
  }

  it('applyDelta stays within its page, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const memory = Buffer.alloc(PAGE_BYTES + 32, 0x5a);
        try {
          applyDelta(memory, 16, bytes);
        } catch (thrown) {
          assert.ok(thrown instanceof RamferryError && thrown.code === 'ERR_STREAM_FORMAT');
        }
        assert.ok(memory.subarray(0, 16).every((byte) => byte === 0x5a));
        assert.ok(memory.subarray(16 + PAGE_BYTES).every((byte) => byte === 0x5a));
      }),
    );
  });
});

describe('estimateLiteral', () => {
  it('is lower for pages whose words repeat', () => {
    const guess = (bytes: Uint8Array): number => estimateLiteral(page(bytes).words, 0);
    assert.equal(guess(new Uint8Array(PAGE_BYTES)), 0);
    assert.equal(guess(new Uint8Array(PAGE_BYTES).fill(32)), 0);
    assert.equal(guess(Buffer.alloc(PAGE_BYTES, 'pagesize')), 0);
    assert.equal(guess(noise(PAGE_BYTES, 3)), 2048);
  });
});
