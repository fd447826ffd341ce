// How busy the host is with other programs: the verdict, and the figures that the system gives.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { busyLines, describeLoad } from '../../../src/report/host-load.js';
import { hostLoad, watchHostLoad } from '../../../src/os/processor/host-load.js';

describe('hostLoad', () => {
  it('is busy, other programs use a quarter of the CPUs or one process per CPU waits', () => {
    assert.equal(hostLoad(0.4, 0.1, 2).busy, false);
    assert.equal(hostLoad(1.9, 0.4, 2).busy, false);
    assert.equal(hostLoad(0, 0.6, 2).busy, true);
    assert.equal(hostLoad(22.4, 0, 2).busy, true);
    assert.equal(hostLoad(22.4, 4, 64).busy, false);
    assert.deepEqual(hostLoad(1, undefined, 2), { average: 1, cpus: 2, busy: false });
  });

  it('is described in one sentence, busy host only', () => {
    assert.deepEqual(busyLines(hostLoad(0.4, 0.1, 2)), []);
    const [line] = busyLines(hostLoad(22.4, 1.61, 2));
    assert.match(
      line ?? '',
      /^The host is busy \(load average 22\.4 on 2 CPUs, other programs used 1\.6 of them\)/,
    );
    assert.equal(describeLoad(hostLoad(3, undefined, 1)), 'load average 3.0 on 1 CPU');
  });
});

describe('watchHostLoad', () => {
  it('returns figures of the whole host', () => {
    const end = watchHostLoad();
    let sum = 0;
    for (let i = 0; i < 1e8; i++) sum += i;
    assert.ok(sum > 0);
    const { average, others, cpus } = end();
    assert.ok(average >= 0 && cpus >= 1);
    assert.ok(others === undefined || (others >= 0 && others <= cpus * 4), String(others));
  });
});
