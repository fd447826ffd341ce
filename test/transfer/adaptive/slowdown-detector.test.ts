// When a link has become slow, from writes that were made up.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { SlowdownDetector } from '../../../src/transfer/adaptive/slowdown-detector.js';

const BELIEVED = 100e6;

describe('Slump', () => {
  it('sees it in two slow writes, at the rate of these alone', () => {
    const slump = new SlowdownDetector();
    slump.recordWait(1_000_000, 10, BELIEVED);
    slump.recordWait(400_000, 40, BELIEVED);
    assert.equal(slump.rate, undefined);
    slump.recordWait(400_000, 40, BELIEVED);
    assert.equal(slump.rate, 10e6);
  });

  it('takes one long wait for an accident, and short ones too', () => {
    const slump = new SlowdownDetector();
    slump.recordWait(400_000, 300, BELIEVED);
    assert.equal(slump.rate, undefined);
    slump.reset();
    slump.recordWait(10_000, 3, BELIEVED);
    slump.recordWait(10_000, 3, BELIEVED);
    assert.equal(slump.rate, undefined);
  });

  it('ends with a write that is fast, or does not wait', () => {
    for (const end of [
      (slump: SlowdownDetector) => slump.reset(),
      (slump: SlowdownDetector) => slump.recordWait(1_000_000, 10, BELIEVED),
    ]) {
      const slump = new SlowdownDetector();
      slump.recordWait(400_000, 40, BELIEVED);
      end(slump);
      slump.recordWait(400_000, 40, BELIEVED);
      assert.equal(slump.rate, undefined);
    }
  });
});
