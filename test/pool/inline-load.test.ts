// When worker threads pay: the rule, with clocks of its own.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { InlineLoad } from '../../src/pool/inline-load.js';
import { MIB } from '../../src/units.js';

/** An event loop whose times the test sets. */
class Loop {
  idle = 0;
  active = 0;

  readonly load = new InlineLoad(() => ({ idle: this.idle, active: this.active }));

  /** Runs jobs of 10 ms and 1 MiB, with so much idle time before each. @returns after how many threads pay; Infinity = never */
  run(jobs: number, idle: number, { mib = 1, queued = false } = {}): number {
    for (let done = 1; done <= jobs; done++) {
      this.idle += idle;
      this.active += 10;
      if (this.load.worked(10, mib * MIB, queued)) return done;
    }
    return Infinity;
  }
}

describe('InlineLoad', () => {
  it('says that threads pay, when the main thread has been the limit for long', () => {
    const jobs = new Loop().run(1000, 0);
    assert.ok(jobs > 32 && jobs < 100, `${jobs} jobs`);
  });

  it('never does, while the main thread waits for something else', () => {
    assert.equal(new Loop().run(10_000, 5), Infinity);
  });

  it('forgets bursts', () => {
    const loop = new Loop();
    for (let burst = 0; burst < 100; burst++) {
      assert.equal(loop.run(20, 0), Infinity);
      assert.equal(loop.run(40, 20), Infinity);
    }
  });

  it('never does for a short stream, whatever its load', () => {
    assert.equal(new Loop().run(31, 0), Infinity);
  });

  it('does for a short stream of a slow codec', () => {
    const jobs = new Loop().run(1000, 0, { mib: 0.1 });
    assert.ok(jobs >= 100 && jobs < 150, `${jobs} jobs`);
  });

  it('counts jobs that others wait behind, although the loop is idle meanwhile', () => {
    const loop = new Loop();
    const wait = (queued: boolean): boolean => {
      loop.idle += 50;
      return loop.load.worked(50, 8 * MIB, queued);
    };
    for (let job = 0; job < 50; job++) assert.equal(wait(false), false);
    let jobs = 1;
    while (!wait(true)) jobs++;
    assert.ok(jobs < 20, `${jobs} jobs`);
  });
});
