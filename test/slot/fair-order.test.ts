// The order of transfers that share threads: positions that wrap around, and credit that lapses.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { isBefore, startOf, stepsOf } from '../../src/slot/fair-order.js';

const MIB = 1024;

describe('fair order', () => {
  it('counts at least one step for a chunk', () => {
    assert.deepEqual([0, 1, 1024, 1025, 2 ** 20].map(stepsOf), [1, 1, 1, 2, MIB]);
  });

  it('orders positions beyond the wrap', () => {
    const last = 2 ** 31 - 1;
    assert.ok(isBefore(last, (last + 5) | 0));
    assert.ok(!isBefore((last + 5) | 0, last));
    assert.ok(!isBefore(7, 7));
  });

  it('owes a transfer that was idle two MiB and no more', () => {
    const clock = 100 * MIB;
    assert.equal(startOf(clock - MIB, clock), clock - MIB);
    assert.equal(startOf(0, clock), clock - 2 * MIB);
    assert.equal(startOf(clock + 3 * MIB, clock), clock + 3 * MIB);
  });

  it('serves transfers the same bytes, any sizes of chunks', () => {
    const chunks = [MIB, 100, 7];
    const positions = [0, 0, 0];
    const served = [0, 0, 0];
    let clock = 0;
    for (let job = 0; job < 20_000; job++) {
      const next = positions.reduce(
        (best, each, index) =>
          isBefore(startOf(each, clock), startOf(positions[best]!, clock)) ? index : best,
        0,
      );
      clock = startOf(positions[next]!, clock);
      positions[next] = (clock + chunks[next]!) | 0;
      served[next]! += chunks[next]!;
    }
    assert.ok(Math.max(...served) - Math.min(...served) <= 2 * MIB, served.join());
  });
});
