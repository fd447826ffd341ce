// Copies between private and shared memory: exactly the requested bytes.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { copyBytes } from '../../src/page/copy.js';

const LENGTH = 20_000;

function memory(shared: boolean): Buffer {
  return shared ? Buffer.from(new SharedArrayBuffer(LENGTH)) : Buffer.alloc(LENGTH);
}

describe('copyBytes', () => {
  for (const [from, to] of [
    ['private', 'shared'],
    ['shared', 'private'],
    ['shared', 'shared'],
  ] as const) {
    it(`copies exactly the requested bytes, from ${from} to ${to} memory`, () => {
      const source = memory(from === 'shared');
      for (let at = 0; at < LENGTH; at++) source[at] = (at * 31) ^ (at >> 8);
      for (const [at, start, end] of [
        [0, 0, LENGTH],
        [1, 3, 4],
        [4097, 8191, 12_288],
        [LENGTH - 5, 0, 5],
        [7, 9, 9],
        [LENGTH, LENGTH, LENGTH],
      ] as const) {
        const target = memory(to === 'shared').fill(0xee);
        copyBytes(target, at, source, start, end);
        const expected = Buffer.alloc(LENGTH, 0xee);
        source.copy(expected, at, start, end);
        assert.equal(target.compare(expected), 0, `${start} to ${end} at ${at}`);
      }
    });
  }

  it('copies within one buffer', () => {
    const bytes = Buffer.from(new SharedArrayBuffer(8192));
    bytes.fill(0x5a, 0, 4096);
    copyBytes(bytes, 4096, bytes, 0, 4096);
    assert.ok(bytes.every((byte) => byte === 0x5a));
  });

  it('refuses a target without room', () => {
    assert.throws(() => copyBytes(Buffer.alloc(10), 5, Buffer.alloc(10), 0, 6), RangeError);
  });
});
