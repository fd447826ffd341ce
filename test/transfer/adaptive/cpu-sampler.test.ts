// Which jobs are watched, and what becomes of those that are not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { CpuSampler } from '../../../src/transfer/adaptive/cpu-sampler.js';
import { Interval } from '../../../src/transfer/adaptive/interval.js';

/** How many of so many jobs of so many microseconds are watched, after the first ones. */
function watched(micros: number, count = 1_000): number {
  const watching = new CpuSampler();
  let found = 0;
  for (let job = -200; job < count; job++) {
    const watches = watching.next();
    if (watches) watching.recordJob(micros);
    if (job < -100) assert.ok(watches, 'at the start nothing is known');
    if (job >= 0 && watches) found++;
  }
  return found;
}

describe('Watching', () => {
  it('watches all long jobs, and some of the short ones', () => {
    assert.equal(watched(5_000), 1_000);
    const some = watched(600);
    assert.ok(some > 160 && some < 210, String(some));
    const few = watched(50);
    assert.ok(few > 50 && few < 70, String(few));
  });
});

describe('Window', () => {
  const machine = { threads: 2, cpus: 2, chunkSize: 1_000_000, longestChunk: 100 };
  const chunk = { candidate: 3, decoded: 1_000_000, plain: 900_000, encoded: 200_000, codecMicros: 0 };

  it('takes jobs that nobody watched to be like the others', () => {
    const window = new Interval();
    window.add({ ...chunk, wall: 2_000, jobMicros: 1_000 }, 3, 0);
    window.add({ ...chunk, wall: 6_000, jobMicros: 0 }, 3, 0);
    window.cpu = 5_000;
    assert.ok(window.known);
    assert.equal(window.jobs, 4_000);
    assert.equal(window.main, 1_000);
    assert.equal(window.expectedMs(machine), 2.5);
  });

  it('counts trials apart, and what is not of the candidate in use', () => {
    const window = new Interval();
    window.add({ ...chunk, wall: 3_000, jobMicros: 2_000 }, 3, 1_000);
    window.add({ ...chunk, wall: 2_000, jobMicros: 2_000 }, 4, 0);
    assert.equal(window.tried, 1_000);
    assert.equal(window.jobs, 5_000);
    assert.equal(window.guestOfCurrent, 1_000_000);
    assert.equal(window.guest, 2_000_000);
  });

  it('knows nothing of processors where nobody watched', () => {
    const window = new Interval();
    window.add({ ...chunk, wall: 2_000, jobMicros: 0 }, 3, 0);
    assert.ok(!window.known);
    assert.equal(window.jobs, 0);
  });
});
