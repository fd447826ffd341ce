// Which jobs are measured, and how an interval counts the others.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { CpuSampler } from '../../../../src/transfer/adaptive/costs/cpu-sampler.js';
import { Interval } from '../../../../src/transfer/adaptive/costs/interval.js';

/** How many of so many jobs of so many microseconds are measured, after the first ones. */
function measured(micros: number, count = 1_000): number {
  const sampler = new CpuSampler();
  let found = 0;
  for (let job = -200; job < count; job++) {
    const measures = sampler.next();
    if (measures) sampler.recordJob(micros);
    if (job < -100) assert.ok(measures, 'at the start nothing is known');
    if (job >= 0 && measures) found++;
  }
  return found;
}

describe('CpuSampler', () => {
  it('measures all long jobs, and some of the short ones', () => {
    assert.equal(measured(5_000), 1_000);
    const some = measured(600);
    assert.ok(some > 160 && some < 210, String(some));
    const few = measured(50);
    assert.ok(few > 50 && few < 70, String(few));
  });
});

describe('Interval', () => {
  const machine = { threads: 2, cpus: 2, chunkSize: 1_000_000, longestChunk: 100 };
  const chunk = { candidate: 3, decoded: 1_000_000, plain: 900_000, encoded: 200_000, codecMicros: 0 };

  it('counts jobs that were not measured like the others', () => {
    const interval = new Interval();
    interval.add({ ...chunk, wall: 2_000, jobMicros: 1_000 }, 3, 0);
    interval.add({ ...chunk, wall: 6_000, jobMicros: 0 }, 3, 0);
    interval.cpu = 5_000;
    assert.ok(interval.known);
    assert.equal(interval.jobs, 4_000);
    assert.equal(interval.main, 1_000);
    assert.equal(interval.expectedMs(machine), 2.5);
  });

  it('counts trials and chunks of other candidates apart', () => {
    const interval = new Interval();
    interval.add({ ...chunk, wall: 3_000, jobMicros: 2_000 }, 3, 1_000);
    interval.add({ ...chunk, wall: 2_000, jobMicros: 2_000 }, 4, 0);
    assert.equal(interval.tried, 1_000);
    assert.equal(interval.jobs, 5_000);
    assert.equal(interval.guestOfCurrent, 1_000_000);
    assert.equal(interval.guest, 2_000_000);
  });

  it('knows no processor time, where no job was measured', () => {
    const interval = new Interval();
    interval.add({ ...chunk, wall: 2_000, jobMicros: 0 }, 3, 0);
    assert.ok(!interval.known);
    assert.equal(interval.jobs, 0);
  });
});
