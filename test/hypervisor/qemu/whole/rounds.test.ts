import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Rounds } from '../../../../src/hypervisor/qemu/whole/rounds.js';

/** Rounds that began with so much left; the first one sends all of RAM. */
function began(...remaining: readonly number[]): Rounds {
  const rounds = new Rounds();
  [10_000, ...remaining].forEach((left, index) => rounds.observe({ round: index + 1, remaining: left }));
  return rounds;
}

describe('Rounds', () => {
  it('reports the first sample of each round', () => {
    const rounds = new Rounds();
    assert.deepEqual(rounds.observe({ round: 1, remaining: 100 }), { round: 1, remaining: 100 });
    assert.equal(rounds.observe({ round: 1, remaining: 50 }), undefined);
    assert.deepEqual(rounds.observe({ round: 3, remaining: 70 }), { round: 3, remaining: 70 });
    assert.equal(rounds.count, 3);
  });

  it('waits for a round that begins with as little as the best one before', () => {
    const rounds = began(500, 300, 900);
    assert.equal(rounds.isMinimum(), false, 'the first call sets the target');
    rounds.observe({ round: 5, remaining: 400 });
    assert.equal(rounds.isMinimum(), false);
    // The target is now the second best start.
    rounds.observe({ round: 6, remaining: 510 });
    assert.equal(rounds.isMinimum(), true);
  });

  it('takes a round within 4 % of the best one', () => {
    const rounds = began(300, 900);
    rounds.isMinimum();
    rounds.observe({ round: 4, remaining: 312 });
    assert.equal(rounds.isMinimum(), true);
  });

  it('takes the next round, when the time-out came in the first one', () => {
    const rounds = began();
    assert.equal(rounds.isMinimum(), false);
    rounds.observe({ round: 2, remaining: 5_000 });
    assert.equal(rounds.isMinimum(), true);
  });
});
