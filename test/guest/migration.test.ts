// The guest's streams from source to destination, in every format.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MIB } from '../../src/units.js';
import { checkLibxc } from './support/libxc-checker.js';
import { GUEST_FORMATS } from '../../src/options/amounts.js';
import { receiveGuest } from '../../src/guest/receive.js';
import { sendGuest, type SendGuestOptions } from '../../src/guest/send.js';
import {
  assertSameRam,
  code,
  HEAVY,
  LIMIT,
  MemorySink,
  MemorySource,
  oneWay,
  record,
  replay,
  smallGuest,
} from './harness.js';

const ONE_ROUND: SendGuestOptions = { policy: { kind: 'fixed', rounds: 1 } };

for (const format of GUEST_FORMATS) {
  describe(`sendGuest and receiveGuest, ${format}`, () => {
    it('write the same stream for the same seed, another for another', async () => {
      const first = await record(await smallGuest(format));
      const again = await record(await smallGuest(format));
      assert.ok(first.stream.equals(again.stream));
      const other = await record(await smallGuest(format, 8 * MIB, 2));
      assert.ok(!first.stream.equals(other.stream));
    });

    it('deliver the RAM of the pause after rounds of heavy dirtying', async () => {
      const guest = await smallGuest(format);
      const { stream, report } = await record(guest);
      const received = await replay(stream);
      assertSameRam(received.ram, guest.ram);
      assert.equal(received.hash, report.hash);
      assert.ok(received.verified);
      assert.equal(received.bytes, stream.length);
      assert.equal(received.pages, report.pages);
      assert.equal(received.passes, 4);
      assert.deepEqual(
        report.rounds.map(({ pages, paused, dirtyPages }) => [pages, paused, dirtyPages]),
        [
          [guest.ram.pages, false, 1024],
          [1024, false, 1024],
          [1024, false, 1024],
          [1024, true, 0],
        ],
      );
      assert.equal(report.writes, 4500);
      assert.equal(report.converged, false);
    });

    it('read the stream in any split, one byte at a time too', async () => {
      const guest = await smallGuest(format, MIB / 16);
      const { stream } = await record(guest, ONE_ROUND);
      for (const step of [1, 7, 4099]) assertSameRam((await replay(stream, step)).ram, guest.ram);
    });

    it('report a truncated stream, cut anywhere', async () => {
      const guest = await smallGuest(format, MIB / 16);
      const { stream } = await record(guest, ONE_ROUND);
      const cuts = [0, 1, 3, 4, 8, 23, 24, 39, 40, stream.length - 1];
      for (let cut = 50; cut < stream.length; cut += 4513) cuts.push(cut);
      for (const cut of cuts)
        await assert.rejects(replay(stream.subarray(0, cut)), code('ERR_STREAM_TRUNCATED'));
    });

    it('refuse bytes after the end of the stream', async () => {
      const { stream } = await record(await smallGuest(format, MIB / 16), ONE_ROUND);
      await assert.rejects(replay(Buffer.concat([stream, Buffer.of(0)])), code('ERR_STREAM_TRAILING'));
    });

    it('refuse a page with one bit changed', async () => {
      const { stream } = await record(await smallGuest(format, MIB / 4), ONE_ROUND);
      // In the contents of a page that is not all zero: the first run of text.
      const at = stream.indexOf('guest kernel');
      const place = at < 0 ? Math.floor(stream.length / 4) : at;
      stream[place]! ^= 1;
      await assert.rejects(replay(stream), code('ERR_STREAM_CHECKSUM', 'ERR_STREAM_FORMAT'));
    });

    it('throw nothing but RamferryError, whatever byte is changed', async () => {
      const { stream } = await record(await smallGuest(format, MIB / 16), ONE_ROUND);
      for (let at = 0; at < stream.length; at += at < 1400 ? 7 : 3331) {
        const damaged = Buffer.from(stream);
        damaged[at]! ^= 0xa5;
        try {
          await replay(damaged);
        } catch (error) {
          code(
            'ERR_STREAM_MAGIC',
            'ERR_STREAM_VERSION',
            'ERR_STREAM_FEATURE',
            'ERR_STREAM_TRUNCATED',
            'ERR_STREAM_CHECKSUM',
            'ERR_STREAM_FORMAT',
            'ERR_STREAM_LIMIT',
            'ERR_STREAM_TRAILING',
          )(error);
        }
      }
    });

    it('refuse a guest larger than --ram-limit before they allocate memory', async () => {
      const { stream } = await record(await smallGuest(format, MIB), ONE_ROUND);
      const source = new MemorySource(stream);
      await assert.rejects(receiveGuest(oneWay(source), { limitBytes: MIB / 2 }), code('ERR_STREAM_LIMIT'));
      assert.equal(source.closed, 1);
    });

    it('refuse RAM that differs from the expected hash', async () => {
      const { stream, report } = await record(await smallGuest(format, MIB), ONE_ROUND);
      const receive = (expectedHash: bigint) =>
        receiveGuest(oneWay(new MemorySource(stream)), { limitBytes: LIMIT, expectedHash });
      assert.ok((await receive(report.hash)).verified);
      await assert.rejects(receive(report.hash ^ 1n), code('ERR_STREAM_CHECKSUM'));
    });

    if (format === 'qemu') return;
    it('keep the rules of the libxc specification', async () => {
      const { stream } = await record(await smallGuest(format));
      const report = await checkLibxc(new MemorySource(stream));
      assert.deepEqual(report.violations, []);
      assert.equal(report.wrapped, format.startsWith('xl'));
      assert.deepEqual(report.passes, [format.endsWith('pvh') ? 5000 : 2048, 1024, 1024, 1024]);
    });
  });
}

describe('sendGuest', () => {
  it('aborts the sink when it fails', async () => {
    const guest = await smallGuest('qemu', MIB);
    const sink = new MemorySink();
    const bad = { ...HEAVY, load: { ...HEAVY.load!, workingSetPages: 257, firstPage: 0 } };
    await assert.rejects(sendGuest(oneWay(sink), guest, bad), code('ERR_OPTION_INVALID'));
    assert.equal(sink.aborted, 1);
    assert.equal(sink.finished, 0);
  });

  it('refuses zero rounds', async () => {
    const guest = await smallGuest('qemu', MIB);
    for (const policy of [
      { kind: 'fixed', rounds: 0 },
      { kind: 'converge', downtimeLimit: 300, maxRounds: 0 },
    ] as const) {
      await assert.rejects(
        sendGuest(oneWay(new MemorySink()), guest, { policy }),
        code('ERR_OPTION_INVALID'),
      );
    }
  });
});
