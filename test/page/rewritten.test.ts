// The guess from a sample that a page was written all over.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { looksRewritten } from '../../src/page/rewritten.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { noise } from '../codec/support.js';

/** As in a QEMU stream: not at a multiple of four. */
const AT = 7;

function wordsOf(bytes: Uint8Array): Int32Array {
  const words = new Int32Array(PAGE_BYTES / 4);
  Buffer.from(words.buffer).set(bytes);
  return words;
}

function viewOf(bytes: Uint8Array): DataView {
  const memory = new Uint8Array(AT + PAGE_BYTES);
  memory.set(bytes, AT);
  return new DataView(memory.buffer);
}

describe('looksRewritten', () => {
  const old = Buffer.from(noise(PAGE_BYTES, 1));

  it('distinguishes a rewritten page from an unchanged one', () => {
    assert.ok(looksRewritten(wordsOf(old), 0, viewOf(noise(PAGE_BYTES, 2)), AT));
    assert.ok(!looksRewritten(wordsOf(old), 0, viewOf(old), AT));
  });

  it('is false where any third of the page has changed', () => {
    for (let start = 0; start < PAGE_BYTES; start += 64) {
      const now = Buffer.from(old);
      for (let byte = 0; byte < PAGE_BYTES / 3; byte++) now[(start + byte) % PAGE_BYTES]! ^= 0x55;
      assert.ok(!looksRewritten(wordsOf(old), 0, viewOf(now), AT), `from ${start}`);
    }
  });

  it('is false where each cache line has a changed counter', () => {
    for (let place = 0; place < 64; place += 4) {
      const now = Buffer.from(old);
      for (let line = place; line < PAGE_BYTES; line += 64) now[line]! ^= 1;
      assert.ok(!looksRewritten(wordsOf(old), 0, viewOf(now), AT), `at ${place}`);
    }
  });
});
