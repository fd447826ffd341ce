// What a transfer's figures become in progress and summary, on a clock and a process of the test's own.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Statistics, type Meter } from '../../../src/transfer/statistics/statistics.js';

/** A process whose clock stands still unless told otherwise. */
function fixedMeter(): Meter & { time: number; cpu: number } {
  return {
    time: 1000,
    cpu: 5,
    now() {
      return this.time;
    },
    cpuSeconds() {
      return this.cpu;
    },
    peakMemory: () => 123_456,
  };
}

describe('statistics of a transfer', () => {
  it('say what happened in the words of query-migrate', () => {
    const meter = fixedMeter();
    const statistics = new Statistics({ meter });
    meter.time += 40;
    statistics.setupDone();
    statistics.addChunk({
      codec: 'zstd',
      decoded: 10 * 4096 + 100,
      encoded: 10_265,
      pages: { zero: 4, duplicate: 1, same: 2, delta: 1, literal: 2 },
      stored: false,
    });
    statistics.addChunk({ codec: 'none', decoded: 4096, encoded: 4196, pages: { literal: 1 }, stored: true });
    statistics.recordBusy(1);
    statistics.addGuestBytes(11 * 4096 + 100);
    statistics.addLinkBytes(15_000);
    meter.time += 2000;
    statistics.setupDone(); // too late to count
    meter.cpu += 1.5;
    assert.deepEqual(statistics.summary('completed'), {
      status: 'completed',
      'total-time': 2040,
      'setup-time': 40,
      ram: {
        transferred: 15_000,
        remaining: 0,
        total: 45_156,
        duplicate: 4,
        skipped: 3,
        normal: 4,
        'normal-bytes': 16_384,
        mbps: 0.06,
        'pages-per-second': 6,
        'page-size': 4096,
      },
      compression: {
        pages: 3,
        busy: 1,
        'busy-rate': 0.5,
        'compressed-size': 10_265,
        'compression-rate': 4,
      },
      pages: { zero: 4, duplicate: 1, same: 2, delta: 1, literal: 3 },
      chunks: {
        total: 2,
        stored: 1,
        codecs: {
          zstd: { chunks: 1, decoded: 41_060, encoded: 10_265 },
          none: { chunks: 1, decoded: 4096, encoded: 4196 },
        },
      },
      'cpu-seconds': 1.5,
      'peak-memory': 123_456,
    });
  });

  it('have no compression section when nothing was compressed', () => {
    const statistics = new Statistics({ meter: fixedMeter() });
    statistics.addChunk({ codec: 'none', decoded: 4096, encoded: 4196, pages: { literal: 1 }, stored: true });
    assert.ok(!('compression' in statistics.summary('completed')));
  });

  it('tell what remained, and why, when the transfer failed', () => {
    const statistics = new Statistics({ meter: fixedMeter(), totalBytes: 1000 });
    statistics.addGuestBytes(400);
    const error = { code: 'ERR_LINK_CLOSED', message: 'gone' } as const;
    const summary = statistics.summary('failed', error);
    assert.equal(summary.ram.remaining, 600);
    assert.equal(summary.ram.total, 1000);
    assert.deepEqual(summary.error, error);
  });

  it('hold only finite numbers when nothing happened at all', () => {
    const summary = new Statistics({ meter: fixedMeter() }).summary('cancelled');
    for (const value of Object.values(summary.ram)) assert.ok(Number.isFinite(value));
    assert.equal(summary.setupTime, 0);
  });

  it('include the downtime only when somebody measured it', () => {
    const statistics = new Statistics({ meter: fixedMeter() });
    assert.ok(!('downtime' in statistics.summary('completed')));
    statistics.recordDowntime(27.4);
    assert.equal(statistics.summary('completed').downtime, 27);
  });

  it('estimate the rest from the average rate since data flowed', () => {
    const meter = fixedMeter();
    const statistics = new Statistics({ meter, totalBytes: 4_000_000 });
    meter.time += 500;
    assert.equal(statistics.progress().remainingTime, undefined);
    assert.equal(statistics.progress().ratio, undefined);
    statistics.setupDone();
    meter.time += 1000;
    statistics.addGuestBytes(1_000_000);
    statistics.addLinkBytes(250_000);
    assert.deepEqual(statistics.progress(), {
      elapsed: 1500,
      guestBytes: 1_000_000,
      linkBytes: 250_000,
      totalBytes: 4_000_000,
      guestRate: 1_000_000,
      linkRate: 250_000,
      ratio: 4,
      remainingTime: 3000,
    });
  });

  it('read the real process by default', () => {
    const summary = new Statistics().summary('completed');
    assert.ok(summary.peakMemory > 1024 * 1024);
    assert.ok(summary.cpuSeconds >= 0);
  });
});
