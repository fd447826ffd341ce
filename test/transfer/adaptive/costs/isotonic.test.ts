// The closest curve that never falls.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { neverFalling } from '../../../../src/transfer/adaptive/costs/isotonic.js';

const POINTS = fc.array(
  fc.tuple(fc.double({ min: -10, max: 10, noNaN: true }), fc.double({ min: 0.5, max: 9, noNaN: true })),
  { maxLength: 20 },
);

function distance(a: readonly number[], b: readonly number[], weights: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + weights[index]! * (value - b[index]!) ** 2, 0);
}

describe('neverFalling', () => {
  it('keeps values that do not fall, and pools others by weight', () => {
    assert.deepEqual(neverFalling([1, 2, 2, 5], [1, 1, 1, 1]), [1, 2, 2, 5]);
    assert.deepEqual(neverFalling([3, 1], [1, 1]), [2, 2]);
    assert.deepEqual(neverFalling([4, 1, 0], [1, 1, 2]), [1.25, 1.25, 1.25]);
    assert.deepEqual(neverFalling([], []), []);
  });

  it('returns the closest curve that never falls, for any values', () => {
    fc.assert(
      fc.property(POINTS, POINTS, (points, others) => {
        const values = points.map(([value]) => value);
        const weights = points.map(([, weight]) => weight);
        const fitted = neverFalling(values, weights);
        assert.equal(fitted.length, values.length);
        assert.ok(fitted.every((value, index) => index === 0 || value >= fitted[index - 1]! - 1e-9));
        const other = others.map(([value]) => value).sort((a, b) => a - b);
        if (other.length < values.length) return;
        const best = distance(values, fitted, weights);
        assert.ok(best <= distance(values, other.slice(0, values.length), weights) + 1e-6);
      }),
    );
  });
});
