// The guest's writers, readers and checker against streams that QEMU 7.2 and Xen 4.17 wrote.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { decompress } from '@mongodb-js/zstd';
import { recordingPath } from '../../../lab/places.js';
import { MIB } from '../../../src/units.js';
import { checkLibxc } from '../support/libxc-checker.js';
import { compareOutlines, machineOf, outlineQemu } from '../support/qemu-outline.js';
import { QemuWriter } from '../../../src/guest/stream/qemu-writer.js';
import { receiveGuest } from '../../../src/guest/receive.js';
import { sendGuest } from '../../../src/guest/send.js';
import { HEAVY, MemorySink, MemorySource, oneWay, record, smallGuest } from '../harness.js';

const LIMIT = 256 * MIB;

function data(name: string): { skip: string | false; load: () => Promise<Buffer> } {
  const file = recordingPath(name);
  return {
    skip: existsSync(file) ? false : `real data is not at hand (shared/data/${name})`,
    load: () => decompress(readFileSync(file)),
  };
}

const qemu = data('idle-128m.mig.zst');
describe('a stream of QEMU 7.2', { skip: qemu.skip }, () => {
  it('comes out to the same bytes when its RAM and device state are sent again', async () => {
    const real = await qemu.load();
    const outline = outlineQemu(real);
    assert.deepEqual(
      outline.sections.map(({ zeroPages, pages }) => [zeroPages, pages]),
      [
        [7020, 12757],
        [2701, 10420],
        [0, 0],
      ],
    );
    const { ram, pages, passes, bytes, verified } = await receiveGuest(oneWay(new MemorySource(real)), {
      limitBytes: LIMIT,
      devices: outline.devices,
    });
    assert.deepEqual([pages, passes, bytes, verified], [32_898, 1, real.length, false]);
    const machine = machineOf(outline);
    const sink = new MemorySink();
    await sendGuest(
      oneWay(sink),
      {
        ram,
        mainPages: 32_768,
        openWriter: (to) => new QemuWriter(to, ram, machine, { partBytes: outline.sections[0]!.dataBytes }),
      },
      { policy: { kind: 'fixed', rounds: 1 } },
    );
    assert.ok(sink.bytes.equals(real));
  });

  it('is like those of the simulated guest, record by record', async () => {
    const real = outlineQemu(await qemu.load());
    const idle = await record(await smallGuest('qemu', 128 * MIB), { policy: { kind: 'fixed', rounds: 1 } });
    assert.deepEqual(compareOutlines(outlineQemu(idle.stream), real), []);
  });
});

describe('comparing QEMU streams', () => {
  it('finds what differs', async () => {
    const one = outlineQemu((await record(await smallGuest('qemu', MIB), { policy: HEAVY.policy })).stream);
    const two = outlineQemu(
      (await record(await smallGuest('qemu', 2 * MIB), { policy: HEAVY.policy })).stream,
    );
    assert.deepEqual(compareOutlines(one, one), []);
    assert.match(compareOutlines(one, two).join(), /^RAM blocks: /);
    const fewer = { ...one, devices: one.devices.slice(1) };
    assert.match(compareOutlines(fewer, one).join(), /^devices: /);
    const unended = { ...one, sections: one.sections.slice(0, -1) };
    assert.match(compareOutlines(unended, one).join(), /^last ram section: /);
  });

  it('refuses what is no whole stream', async () => {
    const { stream } = await record(await smallGuest('qemu', MIB / 16), {
      policy: { kind: 'fixed', rounds: 1 },
    });
    for (let cut = 0; cut < stream.length; cut += 997) {
      assert.throws(() => outlineQemu(stream.subarray(0, cut)), /the stream ends|no |bytes/);
    }
  });
});

const xen = data('pv-dirty-live.xlsave.zst');
describe('an xl save file of a live migration', { skip: xen.skip }, () => {
  it('keeps the rules that the checker knows, with the rounds that it had', async () => {
    const report = await checkLibxc(new MemorySource(await xen.load()));
    assert.deepEqual(report.violations, []);
    assert.deepEqual(report.passes, [32_768, 5928, 2378, 1641, 780, 745]);
    assert.equal(report.pages, 44_238);
    assert.ok(report.wrapped);
  });

  it('has its records in the order of those of the simulated guest', async () => {
    const real = await checkLibxc(new MemorySource(await xen.load()));
    const { stream } = await record(await smallGuest('xl-pv'), HEAVY);
    const found = await checkLibxc(new MemorySource(stream));
    assert.deepEqual(found.sequence, real.sequence);
    assert.deepEqual([found.version, found.domainType], [real.version, real.domainType]);
  });

  it('is read by the simulated destination', async () => {
    const real = await xen.load();
    const { ram, pages, passes, bytes } = await receiveGuest(oneWay(new MemorySource(real)), {
      limitBytes: LIMIT,
    });
    assert.deepEqual([ram.pages, pages, passes, bytes], [32_768, 44_238, 6, real.length]);
  });
});
