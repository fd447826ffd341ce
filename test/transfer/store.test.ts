// The page store over whole transfers: repeated pages in several chunks at once arrive unchanged, and the bytes on the link do not
// depend on the number of threads. A guest without a gain turns the store off. Damage ends in an error, never in a deadlock.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { RamferryError } from '../../src/errors.js';
import type { GuestFormat } from '../../src/options/amounts.js';
import { Statistics } from '../../src/transfer/statistics/statistics.js';
import type { TransferSummary } from '../../src/transfer/statistics/summary.js';
import { KIB, MIB } from '../../src/units.js';
import { record, smallGuest } from '../guest/harness.js';
import { pack, type PackOptions, unpack } from './support/streams-support.js';

/** A guest of 4 MiB that writes to the same few pages in each of many rounds. */
async function hammered(format: GuestFormat): Promise<Buffer> {
  const { stream } = await record(await smallGuest(format, 4 * MIB), {
    policy: { kind: 'fixed', rounds: 12 },
    load: { pattern: 'lines', workingSetPages: 40, firstPage: 100, seed: 3, rate: { pagesPerRound: 50 } },
  });
  return stream;
}

async function summaryOf(
  stream: Buffer,
  options: PackOptions,
): Promise<{ packed: Buffer; summary: TransferSummary }> {
  const statistics = new Statistics();
  const packed = await pack(stream, { ...options, statistics });
  return { packed, summary: statistics.summary('completed') };
}

describe('page store', () => {
  for (const format of ['qemu', 'libxc-pv', 'xl-pvh'] as const) {
    it(`carries repeated pages with the same bytes at 1, 2 and 8 threads (${format})`, async () => {
      const stream = await hammered(format);
      const without = await pack(stream, { chunkSize: 64 * KIB });
      // The store is smaller than the guest, so pages are evicted. Chunks are so small that several rounds are in flight together.
      const options = { chunkSize: 64 * KIB, storeBytes: 512 * KIB };
      const { packed, summary } = await summaryOf(stream, { ...options, threads: 1 });
      assert.ok(packed.length < without.length * 0.97, `${packed.length} of ${without.length}`);
      assert.ok(summary.pages.delta > 50, `${summary.pages.delta} deltas`);
      for (const threads of [2, 8]) {
        assert.ok(packed.equals(await pack(stream, { ...options, threads })), `${threads} threads`);
      }
      assert.ok(packed.equals(await pack(stream, { ...options, threads: 2, selfCheck: true })), 'self-check');
      for (const threads of [1, 2, 8]) {
        const { bytes: decoded } = await unpack(packed, { threads });
        assert.ok(decoded.equals(stream), `${threads} threads`);
      }
    });
  }

  it('turns itself off without a gain, and then costs nothing on the link', async () => {
    const { stream } = await record(await smallGuest('qemu', 8 * MIB), {
      policy: { kind: 'fixed', rounds: 8 },
      load: {
        pattern: 'integers',
        workingSetPages: 1500,
        firstPage: 100,
        seed: 9,
        rate: { pagesPerRound: 1500 },
      },
    });
    const without = await pack(stream, { chunkSize: 64 * KIB });
    const { packed, summary } = await summaryOf(stream, { chunkSize: 64 * KIB, storeBytes: 8 * MIB });
    const cache = summary.xbzrleCache!;
    assert.ok(cache.turnedOff >= 1);
    assert.ok(packed.length < without.length * 1.01);
    assert.ok((await unpack(packed)).bytes.equals(stream));
  });

  it('ends damage in an error at any number of threads, without a deadlock', async () => {
    const stream = await hammered('qemu');
    const packed = await pack(stream, { chunkSize: 64 * KIB, storeBytes: MIB, threads: 2 });
    for (let at = 200; at < packed.length; at += Math.floor(packed.length / 12)) {
      const damaged = Buffer.from(packed);
      damaged[at]! ^= 0x10;
      const errors: string[] = [];
      for (const threads of [1, 4]) {
        await assert.rejects(unpack(damaged, { threads }), (thrown) => {
          assert.ok(thrown instanceof RamferryError);
          errors.push(thrown.code);
          return thrown.code !== 'ERR_INTERNAL';
        });
      }
      assert.equal(errors[0], errors[1], `byte ${at}`);
    }
  });
});
