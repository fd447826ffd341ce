// Time limits that a pause of the process does not use up. The clock is the test's: what a step took is what it says.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { AwakeDeadline, AwakeTimer } from '../../../src/os/time/awake-timer.js';

/** Runs a timer of 8 steps of 1 ms whose steps take so long on the clock, then 1 ms each; returns how many there were. */
async function steps(taken: readonly number[]): Promise<number> {
  let asked = 0;
  let clock = 0;
  // The timer asks when a step begins and when it ends.
  const now = (): number => {
    if (asked++ % 2 === 1) clock += taken[(asked >> 1) - 1] ?? 1;
    return clock;
  };
  await new Promise<void>((resolve) => {
    new AwakeTimer(8, resolve, { now }).restart();
  });
  return asked / 2;
}

describe('AwakeTimer', () => {
  it('fires after all its steps', async () => {
    assert.equal(await steps([]), 8);
    assert.equal(await steps([900, 900, 900]), 8, 'a busy host is no pause');
  });

  it('starts its limit again after a pause', async () => {
    assert.equal(await steps([60_000]), 9);
    assert.equal(await steps([1, 1, 1, 1, 1, 1, 1, 5000]), 16);
    assert.equal(await steps([1, 5000, 5000, 1, 1, 5000]), 14);
  });

  it('does not fire after cancel, and can start again', async () => {
    let due = 0;
    const timer = new AwakeTimer(8, () => due++);
    timer.restart();
    timer.cancel();
    await new Promise((resolve) => AwakeTimer.start(30, () => resolve(undefined)));
    assert.equal(due, 0);
    timer.restart();
    await new Promise((resolve) => AwakeTimer.start(200, () => resolve(undefined)));
    assert.equal(due, 1);
  });
});

describe('AwakeDeadline', () => {
  it('counts a pause as one second', () => {
    let clock = 5;
    const deadline = new AwakeDeadline(3000, () => clock);
    clock += 500;
    assert.equal(deadline.left, 2500);
    clock += 3_600_000;
    assert.equal(deadline.left, 1500);
    clock += 1000;
    clock += 499;
    assert.equal(deadline.left, 500);
  });

  it('never passes, no limit', () => {
    assert.equal(new AwakeDeadline(Infinity, () => 7).left, Infinity);
  });
});
