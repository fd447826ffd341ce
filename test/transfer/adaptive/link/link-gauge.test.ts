// What the gauge measures and estimates of a link, from synthetic writes.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { LinkGauge } from '../../../../src/transfer/adaptive/link/link-gauge.js';
import { MIB } from '../../../../src/units.js';

/** Writes for so many milliseconds: each `bytes`, kept waiting for `wait`, with `gap` before it. */
function write(
  gauge: LinkGauge,
  from: number,
  length: number,
  figures: { bytes?: number; wait?: number; gap: number; queued?: number | undefined },
): number {
  const { bytes, wait, gap, queued } = { bytes: 100_000, wait: 0, queued: 0, ...figures };
  let now = from;
  let looked = from;
  while (now < from + length) {
    const began = now + gap;
    now = began + wait;
    gauge.recordWrite({ bytes, began, ended: now, queued });
    if (now - looked >= 50) {
      gauge.endInterval(now);
      looked = now;
    }
  }
  return now;
}

/** A probe from `from` on: two chunks of 1 MiB, each kept waiting for `wait`, after 30 ms of small writes without waiting. */
function probe(gauge: LinkGauge, from: number, wait: number, queued: number): number {
  const now = from + 30;
  gauge.recordWrite({ bytes: 100_000, began: from, ended: from, before: 0, queued: 0 });
  gauge.recordWrite({ bytes: MIB, began: now, ended: now + wait, before: 0, queued });
  gauge.recordWrite({ bytes: MIB, began: now + wait, ended: now + 2 * wait, before: queued, queued });
  return now + 2 * wait;
}

describe('LinkGauge with probes', () => {
  it('wants one while nothing is known, and measures the rate that it finds at once', () => {
    const gauge = new LinkGauge();
    gauge.recordWrite({ bytes: 100_000, began: 0, ended: 0, queued: 0 });
    gauge.endInterval(25, undefined, false);
    assert.ok(gauge.wantsProbe && !gauge.known);
    gauge.endInterval(probe(gauge, 25, 8, 150_000), undefined, true);
    assert.ok(gauge.measured && !gauge.wantsProbe);
    assert.ok(Math.abs(gauge.rate / ((MIB / 8) * 1e3) - 1) < 0.05, String(gauge.rate));
  });

  it('estimates four times the throughput of a probe that does not wait', () => {
    const gauge = new LinkGauge();
    gauge.recordWrite({ bytes: 100_000, began: 0, ended: 0, queued: 0 });
    gauge.endInterval(25, undefined, false);
    gauge.endInterval(probe(gauge, 25, 0.4, 0), undefined, true);
    assert.ok(gauge.known && !gauge.measured);
    assert.ok(gauge.rate > 4 * (MIB / 0.5) * 1e3, String(gauge.rate));
  });

  it('wants one where a measured link is hardly used, and less often while it finds the same', () => {
    const gauge = new LinkGauge({ rate: 125e6, limited: true });
    const wanted: number[] = [];
    let wants = false;
    for (let now = 0; now < 10_000;) {
      const end = wants ? probe(gauge, now, 8.4, 150_000) : now + 50;
      if (!wants) gauge.recordWrite({ bytes: 600_000, began: now, ended: now, before: 0, queued: 0 });
      gauge.endInterval(end, undefined, wants);
      wants = gauge.wantsProbe;
      if (wants) wanted.push(end);
      now = end;
    }
    assert.ok(wanted.length >= 8 && wanted.length <= 12, wanted.join(' '));
    assert.ok(gauge.measured && Math.abs(gauge.rate / 125e6 - 1) < 0.05, String(gauge.rate));
  });

  it('takes up a faster link that a probe finds, in one step', () => {
    const gauge = new LinkGauge({ rate: 12.5e6, limited: true });
    gauge.endInterval(probe(gauge, 0, 8.4, 150_000), undefined, true);
    assert.ok(Math.abs(gauge.rate / 125e6 - 1) < 0.05, String(gauge.rate));
  });
});

describe('LinkGauge', () => {
  it('measures a link that makes writes wait', () => {
    const gauge = new LinkGauge();
    write(gauge, 0, 500, { wait: 9, gap: 1, queued: 150_000 });
    assert.ok(gauge.measured);
    assert.ok(Math.abs(gauge.rate / 10e6 - 1) < 0.1, String(gauge.rate));
  });

  it('measures nothing, where writes wait with an empty queue', () => {
    const gauge = new LinkGauge();
    write(gauge, 0, 500, { wait: 9, gap: 1, queued: 0 });
    assert.ok(!gauge.measured);
  });

  it('measures by waiting alone, without a known queue', () => {
    const gauge = new LinkGauge();
    write(gauge, 0, 500, { wait: 9, gap: 1, queued: undefined });
    assert.ok(gauge.measured);
  });

  it('knows nothing, before 1 MiB has left', () => {
    const gauge = new LinkGauge();
    write(gauge, 0, 100, { bytes: 10_000, gap: 10 });
    assert.ok(!gauge.known);
  });

  it('estimates four times the throughput, where the link does not limit', () => {
    const gauge = new LinkGauge();
    write(gauge, 0, 500, { bytes: MIB / 8, gap: 1 });
    assert.ok(gauge.known && !gauge.measured);
    const seen = (MIB / 8) * 1e3;
    assert.ok(gauge.rate > 3 * seen && gauge.rate < 5 * seen);
  });

  it('keeps a measured rate under low load, and raises it when more passes without waiting', () => {
    const gauge = new LinkGauge();
    let now = write(gauge, 0, 500, { wait: 9, gap: 1, queued: 150_000 });
    now = write(gauge, now, 1_000, { bytes: 50_000, gap: 10 });
    assert.ok(gauge.measured && gauge.rate < 12e6);
    write(gauge, now, 1_000, { bytes: 200_000, gap: 10 });
    assert.ok(gauge.rate > 40e6);
  });

  it('raises a rate measured while the link became faster, unless a second interval confirms it', () => {
    const gauge = new LinkGauge();
    const slow = { wait: 9, gap: 1, queued: 150_000 };
    const faster = { wait: 1.5, gap: 0.2, queued: 150_000 };
    let now = write(gauge, 0, 500, slow);
    // Half of a window, then nothing has to wait; less is sent than what seemed to pass.
    now = write(gauge, now, 51, faster);
    assert.equal(gauge.measured, true);
    assert.ok(gauge.rate > 30e6 && gauge.rate < 80e6, String(gauge.rate));
    write(gauge, now, 400, { bytes: 100_000, gap: 4 });
    assert.equal(gauge.measured, false);
    assert.ok(gauge.rate > 80e6, String(gauge.rate));
    // What a second window confirms is kept.
    const steady = new LinkGauge();
    now = write(steady, 0, 500, slow);
    now = write(steady, now, 200, faster);
    write(steady, now, 400, { bytes: 100_000, gap: 4 });
    assert.equal(steady.measured, true);
    assert.ok(steady.rate < 80e6, String(steady.rate));
  });

  it('measures no less than what passed, with a receiver that pauses', () => {
    const gauge = new LinkGauge();
    let now = 0;
    for (let window = 0; window < 20; window++) {
      // While the receiver decodes, one write waits 15 ms; while it reads, 40 go at once: 4.1 MB in 50 ms.
      gauge.recordWrite({ bytes: 100_000, began: now, ended: now + 15, queued: 60_000 });
      for (let count = 0; count < 40; count++) {
        const at = now + 15 + (count * 35) / 40;
        gauge.recordWrite({ bytes: 100_000, began: at, ended: at, queued: 0 });
      }
      now += 50;
      gauge.endInterval(now);
    }
    assert.ok(gauge.measured);
    assert.ok(gauge.rate > 70e6, String(gauge.rate));
  });

  it('does not count bytes that stay in the local buffers', () => {
    const gauge = new LinkGauge();
    gauge.recordWrite({ bytes: 100_000, began: 0, ended: 24, queued: 90_000 });
    gauge.recordWrite({ bytes: 2_000_000, began: 24, ended: 100, queued: 1_600_000 });
    gauge.endInterval(100);
    assert.ok(gauge.measured);
    assert.ok(gauge.rate < 12e6, String(gauge.rate));
  });

  it('does not measure a link that limits for less than 70 ms', () => {
    const gauge = new LinkGauge();
    let now = write(gauge, 0, 50, { wait: 9, gap: 1, queued: 150_000 });
    assert.ok(!gauge.measured);
    now = write(gauge, now, 110, { wait: 0, gap: 10 });
    write(gauge, now, 50, { wait: 9, gap: 1, queued: 150_000 });
    assert.ok(!gauge.measured);
  });

  it('follows a link that becomes slow, within half a second', () => {
    const gauge = new LinkGauge();
    const now = write(gauge, 0, 500, { bytes: 400_000, wait: 9, gap: 1, queued: 150_000 });
    write(gauge, now, 480, { bytes: 400_000, wait: 79, gap: 1, queued: 150_000 });
    assert.ok(gauge.rate < 10e6, String(gauge.rate));
  });

  it('keeps the rate, within 400 ms of higher throughput', () => {
    const gauge = new LinkGauge();
    const now = write(gauge, 0, 500, { bytes: 400_000, wait: 9, gap: 1, queued: 150_000 });
    write(gauge, now, 100, { bytes: 50_000, wait: 9, gap: 1, queued: 48_000 });
    assert.ok(gauge.rate > 35e6, String(gauge.rate));
  });

  it('gives less weight to an interval in which the link had rests', () => {
    const gauge = new LinkGauge();
    const now = write(gauge, 0, 500, { bytes: 400_000, wait: 9, gap: 1, queued: 150_000 });
    write(gauge, now, 600, { bytes: 110_000, wait: 3, gap: 7, queued: 48_000 });
    assert.ok(gauge.rate > 30e6, String(gauge.rate));
  });

  it('measures nothing, where the link cannot have been the cause', () => {
    const gauge = new LinkGauge();
    for (let now = 0; now < 500; now += 50) {
      gauge.recordWrite({ bytes: MIB, began: now, ended: now + 40, queued: 150_000 });
      const { share, waited } = gauge.endInterval(now + 50, { allows: () => false, waited: undefined });
      assert.equal(share, 0);
      assert.ok(waited > 0.5);
    }
    assert.ok(!gauge.measured);
    assert.ok(gauge.known && gauge.rate > 40e6, 'it carries more than what left');
  });

  it('measures a link that has hardly a rest, and does not raise the rate', () => {
    // 4 MB in 10 ms of 400 KB/ms: no write waits, and something is always left.
    const drive = (waited: number): LinkGauge => {
      const gauge = new LinkGauge();
      for (let now = 0; now < 1_000; now += 10) {
        gauge.recordWrite({ bytes: 4_000_000, began: now, ended: now, before: 100_000, queued: 4_100_000 });
        if (now % 50 === 0) gauge.endInterval(now, { allows: () => true, waited });
      }
      return gauge;
    };
    const gauge = drive(0.97);
    assert.ok(gauge.measured);
    assert.ok(Math.abs(gauge.rate / 400e6 - 1) < 0.01, String(gauge.rate));
    // A receiver without a rest is what empties the buffer no faster.
    assert.ok(!drive(0.2).measured);
  });

  it('ignores bursts after a rest', () => {
    // Each 50 ms: 30 of rest, then 3 MB at once and 6 MB at 300 KB/ms, of which the kernel always holds something.
    const gauge = new LinkGauge();
    for (let now = 0; now < 1_000; now += 50) {
      gauge.recordWrite({ bytes: 3_400_000, began: now, ended: now + 1, before: 0, queued: 400_000 });
      gauge.recordWrite({
        bytes: 6_000_000,
        began: now + 1,
        ended: now + 20,
        before: 400_000,
        queued: 700_000,
      });
      gauge.endInterval(now + 50, { allows: () => true, waited: 0.97 });
    }
    assert.ok(gauge.measured);
    assert.ok(Math.abs(gauge.rate / 300e6 - 1) < 0.02, String(gauge.rate));
  });

  it('follows a slow link at once, when both sides only wait', () => {
    const gauge = new LinkGauge();
    let now = write(gauge, 0, 500, { bytes: 400_000, wait: 9, gap: 1, queued: 150_000 });
    for (let count = 0; count < 2; count++) {
      gauge.recordWrite({ bytes: 400_000, began: now, ended: now + 50, before: 150_000, queued: 150_000 });
      now += 50;
    }
    gauge.endInterval(now, { allows: () => true, waited: 0.99 });
    assert.ok(gauge.measured && gauge.rate < 10e6, String(gauge.rate));
    gauge.recordWrite({ bytes: 400_000, began: now, ended: now + 50, before: 150_000, queued: 150_000 });
    gauge.endInterval(now + 50, { allows: () => true, waited: 0.99 });
    assert.ok(gauge.rate < 10e6, `what passed before is over: ${gauge.rate}`);
  });

  it('begins with a given rate', () => {
    const gauge = new LinkGauge({ rate: 5e6, limited: true });
    assert.ok(gauge.known && gauge.measured && gauge.rate === 5e6);
  });

  it('estimates by the fastest megabyte, with zero pages in between', () => {
    const gauge = new LinkGauge();
    // 2 MB at 200 MB/s, and 40 ms of zeros.
    for (let now = 0; now < 200; now += 50) {
      write(gauge, now, 10, { bytes: 200_000, gap: 1 });
      write(gauge, now + 10, 40, { bytes: 100, gap: 1 });
    }
    assert.ok(!gauge.measured && gauge.rate > 600e6, String(gauge.rate));
  });

  it('backs off, after each wrong raise', () => {
    const gauge = new LinkGauge();
    const full = { wait: 9, gap: 1, queued: 50_000 };
    const just = { bytes: 20_000, wait: 0, gap: 1.65, queued: 0 };
    let now = write(gauge, 0, 500, full);
    const believed: number[] = [];
    for (let time = 0; time < 4; time++) {
      const from = now;
      while (gauge.measured && now - from < 20_000) now = write(gauge, now, 50, just);
      believed.push(now - from);
      now = write(gauge, now, 300, full);
      assert.ok(gauge.measured);
    }
    const [first, second, third] = believed.slice(-3) as [number, number, number];
    assert.ok(first < 500 && second > 700 && third > 5_000, believed.join());
    write(gauge, now, 300, { bytes: 400_000, gap: 10 });
    assert.ok(gauge.rate > 100e6, 'what is much faster is no doubt');
  });
});
