// Progress and summary of a transfer. The test supplies the clock and the process counters.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Statistics, type Meter } from '../../../src/transfer/statistics/statistics.js';

/** A meter whose clock moves only when the test sets it. */
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

describe('Statistics', () => {
  it('summary: reports the fields of query-migrate under their camel-case names', () => {
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
    statistics.setupDone(); // only the first call counts
    meter.cpu += 1.5;
    assert.deepEqual(statistics.summary('completed'), {
      status: 'completed',
      totalTime: 2040,
      setupTime: 40,
      ram: {
        transferred: 15_000,
        remaining: 0,
        total: 45_156,
        duplicate: 4,
        skipped: 3,
        normal: 4,
        normalBytes: 16_384,
        mbps: 0.06,
        pagesPerSecond: 6,
        pageSize: 4096,
      },
      compression: {
        pages: 3,
        busy: 1,
        busyRate: 0.5,
        compressedSize: 10_265,
        compressionRate: 4,
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
      cpuSeconds: 1.5,
      peakMemory: 123_456,
    });
  });

  it('summary: has no compression section when no chunk was compressed', () => {
    const statistics = new Statistics({ meter: fixedMeter() });
    statistics.addChunk({ codec: 'none', decoded: 4096, encoded: 4196, pages: { literal: 1 }, stored: true });
    assert.ok(!('compression' in statistics.summary('completed')));
  });

  it('summary: reports the remaining bytes and the error, transfer failed', () => {
    const statistics = new Statistics({ meter: fixedMeter(), totalBytes: 1000 });
    statistics.addGuestBytes(400);
    const error = { code: 'ERR_LINK_CLOSED', message: 'gone' } as const;
    const summary = statistics.summary('failed', error);
    assert.equal(summary.ram.remaining, 600);
    assert.equal(summary.ram.total, 1000);
    assert.deepEqual(summary.error, error);
  });

  it('summary: holds only finite numbers, no byte transferred', () => {
    const summary = new Statistics({ meter: fixedMeter() }).summary('cancelled');
    for (const value of Object.values(summary.ram)) assert.ok(Number.isFinite(value));
    assert.equal(summary.setupTime, 0);
  });

  it('summary: includes the downtime only once it is recorded', () => {
    const statistics = new Statistics({ meter: fixedMeter() });
    assert.ok(!('downtime' in statistics.summary('completed')));
    statistics.recordDowntime(27.4);
    assert.equal(statistics.summary('completed').downtime, 27);
  });

  it('progress: estimates the remaining time from the average rate since set-up ended', () => {
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

  it('reads the clock and counters of the process by default', () => {
    const summary = new Statistics().summary('completed');
    assert.ok(summary.peakMemory > 1024 * 1024);
    assert.ok(summary.cpuSeconds >= 0);
  });
});
