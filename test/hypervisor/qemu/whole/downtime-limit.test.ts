import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { DowntimeLimit } from '../../../../src/hypervisor/qemu/whole/downtime-limit.js';

const MB = 1e6;

/** A transfer that carries `link` bytes a second, `ratio` guest bytes in each, for two seconds. */
function carrying(link: number, ratio: number): { readonly limit: DowntimeLimit; readonly written: number } {
  const limit = new DowntimeLimit(300, 0);
  for (let now = 250; now <= 2000; now += 250) {
    const linkBytes = (link * now) / 1000;
    limit.progress({ linkBytes, guestBytes: linkBytes * ratio }, now);
  }
  return { limit, written: link * 2 * ratio };
}

describe('DowntimeLimit', () => {
  it('says nothing before the transfer was measured', () => {
    const limit = new DowntimeLimit(300, 0);
    assert.equal(limit.next({ rate: 100 * MB, written: 0, round: 1 }, 2000), undefined);
  });

  it('is the wanted limit when QEMU estimates what the link carries', () => {
    const { limit, written } = carrying(10 * MB, 3);
    assert.equal(limit.next({ rate: 30 * MB, written, round: 1 }, 2000), 300);
  });

  it('is lower by as much as QEMU overestimates', () => {
    const { limit, written } = carrying(10 * MB, 3);
    assert.equal(limit.next({ rate: 90 * MB, written, round: 1 }, 2000), 100);
  });

  it('is lower by what waits in ramferry', () => {
    const { limit, written } = carrying(10 * MB, 3);
    assert.equal(limit.next({ rate: 30 * MB, written: written + 6 * MB, round: 1 }, 2000), 100);
  });

  it('forbids the end while more waits than the limit allows', () => {
    const { limit, written } = carrying(10 * MB, 3);
    assert.equal(limit.next({ rate: 30 * MB, written, round: 1 }, 2000), 300);
    assert.equal(limit.next({ rate: 30 * MB, written: written + 60 * MB, round: 1 }, 2000), 0);
  });

  it('expects the ratio of the worst second of the round', () => {
    const { limit } = carrying(10 * MB, 1);
    for (let now = 2250; now <= 4000; now += 250) {
      const more = (10 * MB * (now - 2000)) / 1000;
      limit.progress({ linkBytes: 20 * MB + more, guestBytes: 20 * MB + more * 10 }, now);
    }
    const written = 220 * MB;
    assert.equal(limit.next({ rate: 100 * MB, written, round: 0 }, 4000), 30);
    // In the next round only its own pages count, and those of the whole.
    assert.equal(limit.next({ rate: 100 * MB, written, round: 2 }, 4000), 165);
  });

  it('expects the highest estimate of the last two seconds', () => {
    const { limit, written } = carrying(10 * MB, 3);
    assert.equal(limit.next({ rate: 90 * MB, written, round: 1 }, 2000), 100);
    assert.equal(limit.next({ rate: 30 * MB, written, round: 1 }, 3000), undefined);
    assert.equal(limit.next({ rate: 30 * MB, written, round: 1 }, 5000), 300);
  });

  it('does not repeat itself for small changes', () => {
    const { limit, written } = carrying(10 * MB, 3);
    limit.next({ rate: 30 * MB, written, round: 1 }, 2000);
    assert.equal(limit.next({ rate: 31 * MB, written, round: 1 }, 2000), undefined);
  });
});
