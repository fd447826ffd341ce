import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Interval } from '../../../../src/transfer/adaptive/costs/interval.js';
import { LIMITS } from '../../../../src/transfer/adaptive/limits.js';
import { ProcessorShare } from '../../../../src/transfer/adaptive/costs/processor-share.js';

const ELAPSED = 100;

/** An interval in which jobs took `cpu` milliseconds of processor time in `wall`, and the main thread `main`. */
function interval(cpu: number, wall: number, main = 0): Interval {
  const made = new Interval();
  const sizes = { candidate: 0, decoded: 1, plain: 1, encoded: 1, codecMicros: 0 };
  made.add({ ...sizes, wall: wall * 1e3, jobMicros: cpu * 1e3 }, 0, 0);
  made.cpu = (cpu + main) * 1e3;
  return made;
}

function after(machine: { threads: number; cpus: number }, each: () => Interval): number {
  const share = new ProcessorShare(machine);
  for (let i = 0; i < 50; i++) share.record(each(), ELAPSED);
  return share.value;
}

function about(share: number, expected: number): void {
  assert.ok(Math.abs(share - expected) < 0.03, `${share}, expected ${expected}`);
}

describe('ProcessorShare', () => {
  it('is what jobs got of the time for which workers had them', () => {
    about(
      after({ threads: 1, cpus: 1 }, () => interval(50, 100)),
      0.5,
    );
    about(
      after({ threads: 4, cpus: 4 }, () => interval(100, 400)),
      0.25,
    );
  });

  it('is 1 where own threads have the rest', () => {
    about(
      after({ threads: 1, cpus: 1 }, () => interval(70, 100, 30)),
      1,
    );
    about(
      after({ threads: 4, cpus: 2 }, () => interval(200, 400)),
      1,
    );
  });

  it('does not take the main thread for work of the workers, while these rest', () => {
    about(
      after({ threads: 1, cpus: 1 }, () => interval(10, 20, 50)),
      1,
    );
    about(
      after({ threads: 1, cpus: 1 }, () => interval(10, 40, 20)),
      0.45,
    );
  });

  it('stays above a bound, and says nothing without a measured job', () => {
    assert.equal(
      after({ threads: 1, cpus: 1 }, () => interval(1, 100)),
      LIMITS.leastProcessorShare,
    );
    assert.equal(
      after({ threads: 1, cpus: 1 }, () => new Interval()),
      1,
    );
  });
});
