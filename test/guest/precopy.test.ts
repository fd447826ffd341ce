// Pre-copy's decisions, with a clock that each write advances at the link's rate.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sendGuest, type SendGuestOptions } from '../../src/guest/send.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { MIB } from '../../src/units.js';
import { assertSameRam, FakeClock, MemorySink, oneWay, replay, smallGuest } from './harness.js';

/** Rate of the link: 4 pages a millisecond. */
const LINK = 4 * PAGE_BYTES;

async function run(
  pagesPerSecond: number,
  downtimeLimit: number,
  { maxRounds = 8, workingSetPages = 1024, waiting = 0 } = {},
) {
  const clock = new FakeClock();
  const sink = new MemorySink(clock, LINK);
  sink.waiting = waiting;
  const guest = await smallGuest('libxc-pv', 8 * MIB);
  const options: SendGuestOptions = {
    policy: { kind: 'converge', downtimeLimit, maxRounds },
    load: { pattern: 'lines', workingSetPages, seed: 5, rate: { pagesPerSecond } },
    clock,
  };
  const report = await sendGuest(oneWay(sink), guest, options);
  assertSameRam((await replay(sink.bytes)).ram, guest.ram);
  return { report, live: report.rounds.filter(({ paused }) => !paused), clock };
}

describe('pre-copy by the clock', () => {
  it('shortens rounds until the rest fits the limit, guest slower than the link', async () => {
    const { report, live } = await run(1000, 10);
    assert.ok(report.converged);
    // The link takes 4 pages while the guest dirties one. Every round is therefore a quarter of the one before, plus a
    // little for headers.
    assert.equal(live.length, 3);
    for (const [i, pages] of [2048, 512, 128].entries()) {
      assert.ok(live[i]!.pages >= pages && live[i]!.pages <= pages + 2, `${live[i]!.pages} pages`);
    }
    for (const { expectedDowntime } of live.slice(0, -1)) assert.ok(expectedDowntime > 10);
    assert.ok(live.at(-1)!.expectedDowntime <= 10);
    const last = report.rounds.at(-1)!;
    assert.ok(last.paused);
    assert.equal(last.pages, live.at(-1)!.dirtyPages);
    assert.equal(last.dirtyPages, 0);
  });

  it('measures dirty rate, throughput and expected downtime', async () => {
    const { report, live } = await run(1000, 10);
    const [first] = live;
    assert.ok(Math.abs(first!.milliseconds - 2048 / 4) < 3, `${first!.milliseconds} ms`);
    assert.ok(Math.abs(first!.throughput - LINK * 1000) < 1000);
    assert.ok(Math.abs(first!.dirtyRate - 1000) < 20, `${first!.dirtyRate} pages/s`);
    assert.ok(Math.abs(first!.expectedDowntime - first!.dirtyPages / 4) < 1);
    assert.ok(Math.abs(report.downtimeMilliseconds - live.at(-1)!.expectedDowntime) < 2);
    assert.equal(
      report.bytes,
      live.reduce((sum, { bytes }) => sum + bytes, 0) +
        report.rounds.at(-1)!.bytes +
        outsideRounds(report.bytes, report),
    );
    assert.ok(report.totalMilliseconds > report.downtimeMilliseconds);
  });

  it('pauses at once when the first round leaves less than the limit', async () => {
    const { report, live } = await run(1000, 200);
    assert.equal(live.length, 1);
    assert.ok(report.converged);
  });

  it('applies the limit to the millisecond', async () => {
    // The guest writes nothing. Bytes for 40 ms wait in the socket.
    const at = async (limit: number) => (await run(0, limit, { waiting: 40 * LINK, maxRounds: 1 })).report;
    const { expectedDowntime } = (await at(1000)).rounds[0]!;
    assert.equal((await at(expectedDowntime)).converged, true);
    assert.equal((await at(expectedDowntime - 0.001)).converged, false);
  });

  it('stops after max-rounds and reports it, guest faster than the link', async () => {
    const { report, live } = await run(8000, 50, { maxRounds: 5 });
    assert.equal(live.length, 5);
    assert.equal(report.converged, false);
    for (const { dirtyPages } of live) assert.equal(dirtyPages, 1024);
    assert.equal(report.rounds.length, 6);
    assert.equal(report.rounds.at(-1)!.pages, 1024);
  });

  it('adds unread bytes of the receiver to the expected downtime', async () => {
    const idle = await run(0, 50, { waiting: 40 * LINK });
    assert.ok(idle.report.converged);
    assert.equal(Math.round(idle.live[0]!.expectedDowntime), 40);
    const full = await run(0, 50, { waiting: 60 * LINK, maxRounds: 2 });
    assert.equal(full.report.converged, false);
  });

  it('converts bytes per second to pages', async () => {
    const clock = new FakeClock();
    const guest = await smallGuest('qemu', MIB);
    const report = await sendGuest(oneWay(new MemorySink(clock, LINK)), guest, {
      policy: { kind: 'fixed', rounds: 1 },
      load: { pattern: 'lines', workingSetPages: 256, seed: 5, rate: { bytesPerSecond: 1000 * PAGE_BYTES } },
      clock,
    });
    assert.equal(report.writes, Math.floor(report.rounds[0]!.milliseconds));
  });

  it('reports each round at its end', async () => {
    const told: number[] = [];
    const guest = await smallGuest('qemu', MIB);
    const { rounds } = await sendGuest(oneWay(new MemorySink()), guest, {
      policy: { kind: 'fixed', rounds: 3 },
      onRound: ({ round }) => told.push(round),
    });
    assert.deepEqual(told, [1, 2, 3, 4]);
    assert.deepEqual(
      rounds.map(({ round }) => round),
      told,
    );
  });
});

/** Bytes of headers and device state, the only ones outside the rounds. */
function outsideRounds(bytes: number, { rounds }: { rounds: readonly { bytes: number }[] }): number {
  const outside = bytes - rounds.reduce((sum, round) => sum + round.bytes, 0);
  assert.ok(outside > 10_000 && outside < 20_000, `${outside} bytes outside the rounds`);
  return outside;
}
