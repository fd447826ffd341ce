// The figures behind the metrics, from progress and summaries.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { finalFigures, MigrationMeter, runningFigures } from '../../../src/cli/metrics/figures.js';
import { ServedMigrations } from '../../../src/cli/metrics/served.js';
import { RamferryError } from '../../../src/errors.js';
import type { Ended } from '../../../src/serve/outcomes.js';
import type { RunningTransfer } from '../../../src/serve/server.js';
import { Statistics } from '../../../src/transfer/statistics/statistics.js';

const SWITCH = { time: 1, from: 'none', reason: 'why', expectedBefore: 1, expectedAfter: 2 };
const adaptive = {
  coding: 'zstd 3',
  switches: [
    { ...SWITCH, to: 'zstd 1' },
    { ...SWITCH, to: 'zstd 3' },
    { ...SWITCH, to: 'zstd 1' },
  ],
  trials: { count: 0, cpuSeconds: 0 },
};
const convergence = {
  dirtySyncCount: 3,
  dirtyPagesRate: 10,
  carriedPagesRate: 100,
  state: 'converging',
} as const;

function statistics(): Statistics {
  const made = new Statistics({ totalBytes: 1000 });
  made.addGuestBytes(600);
  made.addLinkBytes(200);
  return made;
}

describe('runningFigures', () => {
  it('leaves out what is not known', () => {
    assert.deepEqual(runningFigures(new Statistics().progress()), { processed: 0, transferred: 0 });
  });

  it('counts switches by where they led, and shows rounds and the dirty rate in bytes', () => {
    const made = statistics();
    made.observe({ adaptive: () => adaptive, convergence: () => convergence, roundCount: () => 3 });
    assert.deepEqual(runningFigures(made.progress()), {
      ...{ processed: 600, transferred: 200, total: 1000, remaining: 400, ratio: 3 },
      ...{ iteration: 3, dirtyRate: 40960, switches: { 'zstd 1': 2, 'zstd 3': 1 } },
    });
  });
});

describe('figures of a link that mends', () => {
  it('count breaks, and the time away in seconds', () => {
    const made = statistics();
    const count = made.countBreaks(30_000)!;
    count.broke(true);
    count.joined();
    for (const figures of [runningFigures(made.progress()), finalFigures(made.summary('completed'))]) {
      const { linkBreaks, linkReconnects, linkAway } = figures;
      assert.deepEqual([linkBreaks, linkReconnects], [1, 1]);
      assert.ok(linkAway! < 1);
    }
    assert.equal(new Statistics().countBreaks(0), undefined);
  });
});

describe('finalFigures', () => {
  it('shows the downtime in seconds', () => {
    const made = statistics();
    made.recordDowntime(250);
    const { downtime, processed, total, remaining } = finalFigures(made.summary('completed'));
    assert.deepEqual(
      { downtime, processed, total, remaining },
      { downtime: 0.25, processed: 600, total: 600, remaining: 0 },
    );
  });
});

describe('MigrationMeter', () => {
  it('keeps the last figures, failure', () => {
    const meter = new MigrationMeter('web1', 'source');
    meter.progress(statistics().progress());
    meter.end(new RamferryError('ERR_LINK_CLOSED', 'gone'));
    const { figures, failed, succeeded } = meter.sample();
    assert.deepEqual([figures.processed, failed, succeeded], [600, 'ERR_LINK_CLOSED', false]);
  });
});

describe('ServedMigrations', () => {
  const running = (id: number, name: string): RunningTransfer => ({
    ...{ id, name, direction: 'incoming' },
    progress: statistics().progress(),
  });
  const ended = (id: number, name: string): Ended => ({
    ...{ id, name, direction: 'incoming', status: 'failed', guestBytes: 0, linkBytes: 0, duration: 1 },
  });
  const error = new RamferryError('ERR_LINK_CLOSED', 'gone');

  it('has one sample for a guest that migrates again', () => {
    const served = new ServedMigrations();
    served.samples([running(1, 'a')]);
    served.ended(ended(1, 'a'), error);
    assert.deepEqual(
      served.samples([]).map(({ failed, figures }) => [failed, figures.processed]),
      [['ERR_LINK_CLOSED', 600]],
    );
    assert.deepEqual(
      served.samples([running(2, 'a')]).map(({ failed }) => failed),
      [undefined],
    );
  });

  it('keeps a bounded number of ended ones, the newest', () => {
    const served = new ServedMigrations();
    for (let id = 0; id < 100; id++) served.ended(ended(id, `guest${id}`), error);
    const names = served.samples([]).map(({ labels }) => labels.migration);
    assert.equal(names.length, 32);
    assert.equal(names.at(-1), 'guest99');
  });
});
