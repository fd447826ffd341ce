// The body of a progress message: both forms, in hex and as a property.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { progressBody, readProgress } from '../../src/control/progress.js';

describe('progress body', () => {
  it('has 8 bytes without the receiver’s waiting, 24 with it', () => {
    assert.equal(progressBody({ delivered: 0x0102 }).toString('hex'), '0201000000000000');
    assert.equal(
      progressBody({ delivered: 1, waiting: { clock: 2.4, waited: 0x0300 } }).toString('hex'),
      '010000000000000002000000000000000003000000000000',
    );
  });

  it('round-trips', () => {
    const whole = fc.maxSafeNat();
    fc.assert(
      fc.property(whole, whole, whole, (delivered, clock, waited) => {
        assert.deepEqual(readProgress(progressBody({ delivered })), { delivered });
        const said = { delivered, waiting: { clock, waited } };
        assert.deepEqual(readProgress(progressBody(said)), said);
      }),
    );
  });

  it('readProgress: returns undefined, any other length', () => {
    for (const length of [0, 7, 9, 16, 23, 25]) assert.equal(readProgress(Buffer.alloc(length)), undefined);
  });
});
