// Errors that the destination's readers must find in complete streams, and variations that they must accept.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorCode } from '../../../src/errors.js';
import { LibxcWriter } from '../../../src/guest/stream/libxc-writer.js';
import { machinePages, q35Machine } from '../../../src/guest/stream/qemu-machine.js';
import { QemuWriter } from '../../../src/guest/stream/qemu-writer.js';
import { GuestRam } from '../../../src/guest/ram.js';
import type { StreamWriter } from '../../../src/guest/stream/stream-writer.js';
import { pvDomain } from '../../../src/guest/stream/xen-domain.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { assertSameRam, code, MemorySink, record, replay, smallGuest } from '../harness.js';

async function goodStream(format: 'qemu' | 'libxc-pv'): Promise<Buffer> {
  const guest = await smallGuest(format, 16 * PAGE_BYTES);
  return (await record(guest, { policy: { kind: 'fixed', rounds: 1 } })).stream;
}

/** Sends pages 0 and 1, clears page 0, and sends it again. */
async function emptied(ram: GuestRam, writer: StreamWriter): Promise<void> {
  ram.page(0).fill(5);
  ram.page(1).fill(6);
  const all = Uint32Array.from({ length: ram.pages }, (_, page) => page);
  await writer.begin();
  await writer.beginRound(false);
  await writer.pages(all);
  await writer.endRound();
  ram.page(0).fill(0);
  await writer.beginRound(true);
  await writer.pages(Uint32Array.of(0));
  await writer.endRound();
  await writer.finish({ hash: ram.hash(), pages: ram.pages });
}

describe('a page that is emptied while the guest moves', () => {
  it('is empty at the destination too (qemu)', async () => {
    const machine = q35Machine(4 * PAGE_BYTES, 1);
    const ram = new GuestRam(machinePages(machine));
    const sink = new MemorySink();
    await emptied(ram, new QemuWriter(sink, ram, machine));
    assertSameRam((await replay(sink.bytes)).ram, ram);
  });

  it('is empty at the destination too (libxc)', async () => {
    const ram = new GuestRam(4);
    const sink = new MemorySink();
    await emptied(ram, new LibxcWriter(sink, ram, pvDomain(4, 1)));
    assertSameRam((await replay(sink.bytes)).ram, ram);
  });
});

interface Damage {
  name: string;
  expected: ErrorCode;
  change: (stream: Buffer) => Buffer;
}

function edit(change: (stream: Buffer) => void): (stream: Buffer) => Buffer {
  return (stream) => {
    change(stream);
    return stream;
  };
}

function splice(stream: Buffer, at: number, remove: number, ...add: number[]): Buffer {
  return Buffer.concat([stream.subarray(0, at), Buffer.from(add), stream.subarray(at + remove)]);
}

const FOOTER = Buffer.from([0x7e, 0, 0, 0, 2]);
const END = Buffer.from([0x03, 0, 0, 0, 2]);
const START_OF_TIMER = Buffer.from([0x04, 0, 0, 0, 0, 5]);
/** Position of main memory's name in the list of blocks. */
const firstBlock = (stream: Buffer): number => stream.indexOf('pc.ram');

const QEMU: Damage[] = [
  { name: 'version 2', expected: 'ERR_STREAM_VERSION', change: edit((s) => s.writeUInt32BE(2, 4)) },
  {
    name: 'a footer of another section',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt8(3, s.indexOf(FOOTER) + 4)),
  },
  {
    name: 'another byte for a footer',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt8(0x7f, s.indexOf(FOOTER))),
  },
  {
    name: 'pages after END',
    expected: 'ERR_STREAM_FORMAT',
    change: (s) => splice(s, s.indexOf(START_OF_TIMER), 0, ...END, 0, 0, 0, 0, 0, 0, 0, 0x10, ...FOOTER),
  },
  {
    name: 'no END',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt8(0x02, s.lastIndexOf(END, s.indexOf(START_OF_TIMER)))),
  },
  {
    name: 'a section that was not started',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt8(9, s.lastIndexOf(END, s.indexOf(START_OF_TIMER)) + 4)),
  },
  {
    name: 'blocks that are larger than the total',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt8(1, firstBlock(s) + 6 + 4)),
  },
  {
    name: 'a block of no size',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.fill(0, firstBlock(s) + 6, firstBlock(s) + 14)),
  },
  {
    name: 'a block twice',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.write('pc.rom', s.indexOf('pc.ram'))),
  },
  {
    name: 'a page of a block that is not there',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.write('pc.rum', s.indexOf('pc.ram', firstBlock(s) + 1))),
  },
  {
    name: 'a page beyond its block',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt8(1, s.indexOf('pc.ram', firstBlock(s) + 1) - 9)),
  },
  {
    name: 'a compressed page',
    expected: 'ERR_STREAM_FEATURE',
    change: edit((s) => s.writeUInt8(1, s.indexOf('pc.ram', firstBlock(s) + 1) - 3)),
  },
  {
    name: 'a device that the machine does not have',
    expected: 'ERR_STREAM_FEATURE',
    change: edit((s) => s.write('timex', s.indexOf('timer'))),
  },
  {
    name: 'another version of a device',
    expected: 'ERR_STREAM_FEATURE',
    change: edit((s) => s.writeUInt8(7, s.indexOf('timer') + 5 + 7)),
  },
  {
    name: 'a second ram START',
    expected: 'ERR_STREAM_FEATURE',
    change: (s) => {
      const start = s.indexOf(Buffer.from([1, 0, 0, 0, 2, 3]));
      return splice(s, start, 0, ...s.subarray(start, s.indexOf(FOOTER) + 5));
    },
  },
  {
    name: 'a command of postcopy',
    expected: 'ERR_STREAM_FEATURE',
    change: (s) => splice(s, s.indexOf(START_OF_TIMER), 0, 8, 0, 4, 0, 0),
  },
  {
    name: 'no VMDESCRIPTION',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt8(5, s.indexOf('{"page_size') - 5)),
  },
  {
    name: 'a VMDESCRIPTION of 4 GiB',
    expected: 'ERR_STREAM_LIMIT',
    change: edit((s) => s.writeUInt32BE(0xffff_ffff, s.indexOf('{"page_size') - 4)),
  },
  {
    name: 'a machine type of 4 GiB',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt32BE(0xffff_ffff, 9)),
  },
];

/** Position of the first PAGE_DATA record: count 16, reserved 0, entries from 0. */
const pageData = (stream: Buffer): number => stream.indexOf(Buffer.from([1, 0, 0, 0, 0x88, 0, 1, 0]));

const XEN: Damage[] = [
  { name: 'version 4', expected: 'ERR_STREAM_VERSION', change: edit((s) => s.writeUInt32BE(4, 12)) },
  { name: 'big-endian records', expected: 'ERR_STREAM_VERSION', change: edit((s) => s.writeUInt16BE(1, 16)) },
  { name: 'pages of 2 MiB', expected: 'ERR_STREAM_FEATURE', change: edit((s) => s.writeUInt16LE(21, 28)) },
  {
    name: 'fewer pages than bytes',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt8(0xf0, pageData(s) + 16 + 7)),
  },
  {
    name: 'more pages than bytes',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt32LE(17, pageData(s) + 8)),
  },
  {
    name: 'more entries than the record holds',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt32LE(0x7fff_ffff, pageData(s) + 8)),
  },
  {
    name: 'no entries',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt32LE(0, pageData(s) + 8)),
  },
  {
    name: 'a reserved page type',
    expected: 'ERR_STREAM_FORMAT',
    change: edit((s) => s.writeUInt8(0x60, pageData(s) + 16 + 7)),
  },
  {
    name: 'a page number of 52 bits',
    expected: 'ERR_STREAM_LIMIT',
    change: edit((s) => s.writeUInt8(0x0f, pageData(s) + 16 + 6)),
  },
  {
    name: 'a mandatory record that is not known',
    expected: 'ERR_STREAM_FEATURE',
    change: (s) => splice(s, 40, 0, 0x13, 0, 0, 0, 0, 0, 0, 0),
  },
  {
    name: 'a record of 2 GiB',
    expected: 'ERR_STREAM_LIMIT',
    change: (s) => splice(s, 40, 0, 1, 0, 0, 0x80, 0, 0, 0, 0x80),
  },
  {
    name: 'an END with a body',
    expected: 'ERR_STREAM_FORMAT',
    change: (s) => splice(s, s.length - 4, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  },
];

for (const [format, cases] of [
  ['qemu', QEMU],
  ['libxc-pv', XEN],
] as const) {
  describe(`the ${format} destination`, () => {
    for (const { name, expected, change } of cases) {
      it(`refuses ${name}`, async () => {
        const stream = change(await goodStream(format));
        await assert.rejects(replay(stream), code(expected));
        await assert.rejects(replay(stream, 1), code(expected));
      });
    }
  });
}

describe('the libxc destination', () => {
  it('passes over optional records', async () => {
    const stream = await goodStream('libxc-pv');
    const { verified } = await replay(
      splice(stream, 40, 0, 7, 0, 0, 0x80, 3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0),
    );
    assert.ok(verified);
  });

  it('compares what comes after VERIFY', async () => {
    const stream = await goodStream('libxc-pv');
    const from = pageData(stream);
    const again = stream.subarray(from, from + 8 + 8 + 16 * 8 + 16 * PAGE_BYTES);
    const verify = Buffer.from([0x0d, 0, 0, 0, 0, 0, 0, 0]);
    const insert = (pages: Buffer): Buffer =>
      Buffer.concat([
        stream.subarray(0, from + again.length),
        verify,
        pages,
        stream.subarray(from + again.length),
      ]);
    assert.equal((await replay(insert(again))).pages, 32);
    const other = Buffer.from(again);
    other[other.length - 1]! ^= 1;
    await assert.rejects(replay(insert(other)), code('ERR_STREAM_CHECKSUM'));
  });
});
