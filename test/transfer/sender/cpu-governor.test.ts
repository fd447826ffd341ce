// The governor on a clock of its own: how much processor time a transfer gets to use.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { CpuGovernor, type CpuMeter } from '../../../src/transfer/sender/cpu-governor.js';

/** A transfer that uses `busy` CPUs whenever it may. @returns CPUs that it used on average */
async function used(share: number, busy: number): Promise<number> {
  let now = 0;
  let cpu = 0;
  const meter: CpuMeter = {
    now: () => now,
    used: () => cpu,
    sleep: (seconds) => {
      now += seconds;
      return Promise.resolve();
    },
  };
  const governor = new CpuGovernor(share, meter);
  for (let chunk = 0; chunk < 20_000; chunk++) {
    await governor.admit();
    now += 0.001;
    cpu += 0.001 * busy;
  }
  return cpu / now;
}

describe('CpuGovernor', () => {
  for (const [share, busy] of [
    [0.5, 1],
    [1.5, 4],
    [0.1, 8],
  ] as const) {
    it(`holds ${busy} CPUs down to ${share}`, async () => {
      const found = await used(share, busy);
      assert.ok(Math.abs(found / share - 1) < 0.05, String(found));
    });
  }

  it('never waits below the limit', async () => {
    assert.ok(Math.abs((await used(2, 1)) - 1) < 1e-9);
  });
});
