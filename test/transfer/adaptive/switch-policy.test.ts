// Which gains are worth a switch, and how many switches there may be.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { SwitchPolicy } from '../../../src/transfer/adaptive/switch-policy.js';

const LOOK = 50;

/** Looks from `from` on; @returns the times at which a switch was allowed */
function allowed(policy: SwitchPolicy, from: number, to: number, gain: number, news = false): number[] {
  const times: number[] = [];
  for (let now = from; now < to; now += LOOK) {
    if (!policy.allows(gain, news, now)) continue;
    times.push(now);
    policy.reset();
  }
  return times;
}

describe('SwitchPolicy', () => {
  it('allows at most two switches a minute, under constant conditions', () => {
    for (const gain of [0.06, 0.3, 5]) {
      const times = allowed(new SwitchPolicy(0), 3_000, 303_000, gain);
      assert.ok(times.length > 0);
      for (const start of times) {
        assert.ok(times.filter((time) => time >= start && time < start + 60_000).length <= 2);
      }
    }
  });

  it('lets a small gain last for 300 ms, and ignores noise', () => {
    assert.equal(allowed(new SwitchPolicy(0), 10_000, 20_000, 0.06)[0], 10_300);
    assert.deepEqual(allowed(new SwitchPolicy(0), 10_000, 200_000, 0.04), []);
    const policy = new SwitchPolicy(0);
    for (let now = 10_000; now < 60_000; now += LOOK) {
      assert.ok(!policy.allows(now % 200 === 0 ? 0 : 0.2, false, now));
    }
  });

  it('follows a change of link or guest within 100 ms, repeatedly', () => {
    const policy = new SwitchPolicy(0);
    assert.equal(allowed(policy, 10_000, 10_200, 0.5, true)[0], 10_100);
    policy.reset();
    assert.equal(allowed(policy, 14_000, 14_200, 0.5, true)[0], 14_100);
  });

  it('switches at once, for twice the speed or right after a followed change', () => {
    assert.equal(allowed(new SwitchPolicy(0), 10_000, 10_200, 1.5, true)[0], 10_000);
    const policy = new SwitchPolicy(0);
    assert.deepEqual(allowed(policy, 10_000, 10_050, 1.5, true), [10_000]);
    assert.deepEqual(allowed(policy, 10_050, 10_100, 0.3, true), [10_050]);
    assert.deepEqual(allowed(policy, 10_100, 10_200, 0.15), [10_150]);
  });

  it('takes smaller gains, for 3 s after a followed change', () => {
    const policy = new SwitchPolicy(0);
    allowed(policy, 10_000, 10_500, 0.06);
    assert.equal(allowed(policy, 11_000, 14_000, 0.06).length, 0, 'constant conditions');
    policy.reset();
    const followed = allowed(policy, 20_000, 20_150, 0.5, true);
    assert.equal(followed.length, 1);
    assert.equal(allowed(policy, 20_200, 21_000, 0.06)[0], 20_350);
    policy.reset();
    assert.deepEqual(allowed(policy, 21_000, 22_000, 0.04), [], 'noise');
    assert.equal(allowed(policy, 23_200, 40_000, 0.06).length, 0, 'constant conditions again');
  });

  it('switches soon, in the first second', () => {
    const times = allowed(new SwitchPolicy(0), 0, 1_000, 0.1);
    assert.ok(times.length >= 5);
    assert.equal(allowed(new SwitchPolicy(0), 0, 100, 0.4)[0], 0);
  });
});
