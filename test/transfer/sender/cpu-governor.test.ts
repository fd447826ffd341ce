// The governor on a simulated clock: the processor time that a transfer uses on average.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { CpuGovernor, type CpuMeter } from '../../../src/transfer/sender/cpu-governor.js';

/** Simulates a transfer that uses `busy` CPUs whenever it is admitted. @returns CPUs that it used on average */
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
    it(`limits a demand of ${busy} CPUs to ${share}`, async () => {
      const found = await used(share, busy);
      assert.ok(Math.abs(found / share - 1) < 0.05, String(found));
    });
  }

  it('never waits, demand below the limit', async () => {
    assert.ok(Math.abs((await used(2, 1)) - 1) < 1e-9);
  });
});
