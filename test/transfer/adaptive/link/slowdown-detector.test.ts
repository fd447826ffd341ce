// When a link has become slow, from synthetic writes.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { SlowdownDetector } from '../../../../src/transfer/adaptive/link/slowdown-detector.js';

const BELIEVED = 100e6;

describe('SlowdownDetector', () => {
  it('reports the rate of two slow writes', () => {
    const detector = new SlowdownDetector();
    detector.recordWait(1_000_000, 10, BELIEVED);
    detector.recordWait(400_000, 40, BELIEVED);
    assert.equal(detector.rate, undefined);
    detector.recordWait(400_000, 40, BELIEVED);
    assert.equal(detector.rate, 10e6);
  });

  it('reports nothing, after one long wait or two short ones', () => {
    const detector = new SlowdownDetector();
    detector.recordWait(400_000, 300, BELIEVED);
    assert.equal(detector.rate, undefined);
    detector.reset();
    detector.recordWait(10_000, 3, BELIEVED);
    detector.recordWait(10_000, 3, BELIEVED);
    assert.equal(detector.rate, undefined);
  });

  it('starts anew, after a write that is fast or does not wait', () => {
    for (const end of [
      (detector: SlowdownDetector) => detector.reset(),
      (detector: SlowdownDetector) => detector.recordWait(1_000_000, 10, BELIEVED),
    ]) {
      const detector = new SlowdownDetector();
      detector.recordWait(400_000, 40, BELIEVED);
      end(detector);
      detector.recordWait(400_000, 40, BELIEVED);
      assert.equal(detector.rate, undefined);
    }
  });
});
