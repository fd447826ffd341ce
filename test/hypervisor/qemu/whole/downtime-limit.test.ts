import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { DowntimeLimit } from '../../../../src/hypervisor/qemu/whole/downtime-limit.js';
import { conduct } from '../../support/estimating-qemu.js';

const MB = 1e6;

/** A transfer that has carried `link` bytes a second, `ratio` guest bytes in each, for two seconds. */
class Carrying {
  readonly limit = new DowntimeLimit(300, 0);
  link = 0;
  guest = 0;
  now = 0;

  constructor(link: number, ratio: number, rate?: number) {
    this.carry(link, ratio, { seconds: 2, ...(rate === undefined ? {} : { rate }) });
  }

  /** Looks at QEMU every 250 ms. @returns the last limit that it was told, if any */
  carry(
    link: number,
    ratio: number,
    {
      seconds,
      rate = 0,
      round = 1,
      ahead = 0,
    }: { seconds: number; rate?: number; round?: number; ahead?: number },
  ): number | undefined {
    let told: number | undefined;
    for (let step = 0; step < seconds * 4; step++) {
      this.now += 250;
      this.link += link / 4;
      this.guest += (link * ratio) / 4;
      told = this.look(rate, { round, ahead })?.limit ?? told;
    }
    return told;
  }

  look(rate: number | undefined, { round = 1, ahead = 0 } = {}) {
    const progress = { guestBytes: this.guest, linkBytes: this.link };
    return this.limit.next({ rate, written: this.guest + ahead, round }, progress, this.now);
  }
}

describe('DowntimeLimit', () => {
  it('says nothing before the transfer was measured', () => {
    const limit = new DowntimeLimit(300, 0);
    const nothing = { guestBytes: 0, linkBytes: 0 };
    assert.equal(limit.next({ rate: 100 * MB, written: 0, round: 1 }, nothing, 2000), undefined);
  });

  it('is the wanted limit when QEMU estimates what the link carries', () => {
    assert.equal(new Carrying(10 * MB, 3).look(30 * MB)?.limit, 300);
  });

  it('is lower by as much as QEMU overestimates', () => {
    assert.equal(new Carrying(10 * MB, 3).look(90 * MB)?.limit, 100);
  });

  it('is lower by what waits in ramferry', () => {
    assert.equal(new Carrying(10 * MB, 3).look(30 * MB, { ahead: 6 * MB })?.limit, 100);
  });

  it('counts what the receiver has not acknowledged as waiting', () => {
    const { limit, link, guest, now } = new Carrying(10 * MB, 3);
    const progress = { guestBytes: guest, linkBytes: link, deliveredBytes: guest - 6 * MB };
    assert.equal(limit.next({ rate: 30 * MB, written: guest, round: 1 }, progress, now)?.limit, 100);
  });

  it('stays above 0 while more waits than the limit allows', () => {
    const transfer = new Carrying(10 * MB, 3);
    assert.equal(transfer.look(30 * MB)?.limit, 300);
    assert.equal(transfer.look(30 * MB, { ahead: 60 * MB })?.limit, 1);
  });

  it('expects the ratio of the worst second of the round', () => {
    const transfer = new Carrying(10 * MB, 1);
    transfer.carry(10 * MB, 10, { seconds: 2 });
    assert.equal(transfer.look(100 * MB)?.limit, 30);
    // In the next round only its own pages count, and those of the whole.
    assert.equal(transfer.look(100 * MB, { round: 2 })?.limit, 165);
  });

  it('learns no ratio from the greetings before the stream', () => {
    const transfer = new Carrying(200, 0.1);
    transfer.carry(10 * MB, 3, { seconds: 10 });
    assert.ok(transfer.look(30 * MB)!.limit > 290);
  });

  it('expects the highest estimate of the last two seconds', () => {
    const transfer = new Carrying(10 * MB, 3);
    assert.equal(transfer.look(90 * MB)?.limit, 100);
    assert.equal(transfer.carry(10 * MB, 3, { seconds: 1, rate: 30 * MB }), undefined);
    assert.equal(transfer.carry(10 * MB, 3, { seconds: 1.5, rate: 30 * MB }), 300);
  });

  it('expects the best second of the link, after one in which QEMU wrote little', () => {
    const transfer = new Carrying(10 * MB, 3);
    transfer.carry(1 * MB, 3, { seconds: 2 });
    assert.equal(transfer.look(30 * MB)?.limit, 300);
    transfer.carry(1 * MB, 3, { seconds: 5 });
    assert.equal(transfer.look(30 * MB)?.limit, 30);
  });

  it('gives the bandwidth to a QEMU that takes one, and the limit without what waits', () => {
    const transfer = new Carrying(10 * MB, 3);
    assert.deepEqual(transfer.look(undefined), { limit: 300, bandwidth: 30 * MB });
    assert.deepEqual(transfer.look(undefined, { ahead: 6 * MB }), { limit: 100, bandwidth: 30 * MB });
  });

  it('does not repeat itself for small changes', () => {
    const transfer = new Carrying(10 * MB, 3);
    transfer.look(30 * MB);
    assert.equal(transfer.look(31 * MB), undefined);
  });
});

describe('DowntimeLimit before a modelled QEMU', () => {
  /** Shrinks well for some time, badly for some time; the guest dirties a third of what the link carries. */
  const guest = (link: number, seed: number) => ({
    ...{ link, ram: link * 20, dirtied: link / 2, written: link * 2, buffered: 3 * MB, seed },
    ratio: (place: number) => [1.5, 6, 2.5, 1.5, 12, 2][Math.floor(place * 23 + seed) % 6]!,
  });

  for (const takesBandwidth of [false, true]) {
    for (const link of [10 * MB, 30 * MB]) {
      const title = `${link / MB} MB/s${takesBandwidth ? ', with avail-switchover-bandwidth' : ''}`;
      it(`keeps the pause near the limit, ${title}`, () => {
        for (let seed = 0; seed < 30; seed++) {
          const { pause, rounds } = conduct({ ...guest(link, seed), wanted: 300, takesBandwidth });
          assert.ok(pause <= 450, `seed ${seed}: ${pause} ms`);
          assert.ok(rounds <= 40, `seed ${seed}: ${rounds} rounds`);
        }
      });
    }
  }

  it('is needed: QEMU left alone stops for longer', () => {
    const pauses = Array.from({ length: 30 }, (_, seed) => conduct(guest(10 * MB, seed)).pause);
    assert.ok(
      pauses.some((pause) => pause > 450),
      String(pauses),
    );
  });

  it('is needed: with a limit of 0 QEMU stops before it looks for dirtied pages', () => {
    const { pause, rounds } = conduct({ ...guest(10 * MB, 0), limit: 0 });
    assert.equal(rounds, 2);
    assert.ok(pause > 600, `${pause} ms`);
  });
});
