// Streams by name for the tests of both methods: synthetic ones of every grammar, whole, unusual and hostile.
// Deterministic. Nothing here knows how they will be carried.

import type { StreamKind } from '../../../src/grammar/detect.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import {
  adviseData,
  COMMAND,
  largePages,
  listening,
  mappedRam,
  oldMachine,
  postcopy,
  precopy,
  QemuStream,
  u32,
  u64,
  unknownLive,
  vfio,
  virtioMem,
  withCapabilities,
  advised,
} from '../../grammar/support/qemu-streams.js';
import { range, REC, TYPE, wellFormed, XenStream } from '../../grammar/support/xen-streams.js';

export interface Sample {
  readonly name: string;
  readonly kind: StreamKind;
  readonly bytes: Buffer;
}

function xen(label: string, options: ConstructorParameters<typeof XenStream>[0], only?: string[]): Sample[] {
  return Object.entries(wellFormed(options))
    .filter(([name]) => only?.includes(name) ?? true)
    .map(([name, { kind, stream }]) => ({ name: `${label}${name}`, kind, bytes: stream.bytes() }));
}

const qemu = (name: string, { bytes }: { bytes: Buffer }): Sample => ({ name, kind: 'qemu', bytes });

/** Streams that keep to their formats. */
export function soundStreams(): Sample[] {
  return [
    ...xen('xen ', {}),
    ...xen('big-endian ', { bigEndian: true }, ['pv', 'pvh', 'remus', 'xl', 'xenopsd with libxl']),
    ...xen('version 2 ', { version: 2 }, ['pv', 'xl']),
    qemu('qemu precopy', precopy()),
    qemu('qemu precopy of a machine without footers', oldMachine()),
    qemu('qemu with all subsections', withCapabilities()),
    qemu('qemu with postcopy advised and huge pages', advised([0, 2])),
    qemu('qemu postcopy', postcopy()),
    qemu('qemu postcopy that listens', listening()),
    qemu('qemu with virtio-mem before ram', virtioMem()),
    qemu('qemu with sections of VFIO', vfio()),
    qemu('qemu with sections of an unknown format', unknownLive()),
    qemu('qemu with target pages of 64 KiB', largePages(16)),
    qemu('qemu mapped-ram', mappedRam()),
    { name: 'pages and a rest', kind: 'opaque', bytes: new XenStream().noise(3 * PAGE_BYTES + 17) },
    { name: 'a few bytes', kind: 'opaque', bytes: Buffer.from('not a stream of any kind') },
  ];
}

/** A bare libxc stream with this PAGE_DATA body between good records. */
function withPageData(body: Buffer, bigEndian = false): Buffer {
  const stream = new XenStream({ bigEndian }).image().pageData(range(1, 2));
  return stream.pageDataSkeleton(body).pageData(range(9, 1)).record(REC.hvmContext, body).end().bytes();
}

/** Streams whose beginning is good and whose rest is not. */
export function hostileStreams(): Sample[] {
  const s = new XenStream();
  const entries = (...types: number[]): Buffer =>
    Buffer.concat(types.map((type, i) => s.u64((BigInt(type) << 60n) | BigInt(i))));
  const bare: Record<string, Buffer> = {
    'PAGE_DATA without a count': withPageData(Buffer.alloc(3, 1)),
    'PAGE_DATA without a body': withPageData(Buffer.alloc(0)),
    'PAGE_DATA of no entries': withPageData(Buffer.alloc(8)),
    'PAGE_DATA of absurdly many entries': withPageData(
      Buffer.concat([s.u32(0xffffffff, 0), s.noise(3 * PAGE_BYTES)]),
    ),
    'a reserved page type': withPageData(
      Buffer.concat([s.u32(2, 0), entries(0, 5), s.noise(2 * PAGE_BYTES)]),
    ),
    'more pages than it holds': withPageData(
      Buffer.concat([s.u32(2, 0), entries(0, 0), s.noise(PAGE_BYTES + 9)]),
    ),
    'fewer pages than it holds': withPageData(
      Buffer.concat([s.u32(2, 0), entries(0, TYPE.invalid), s.noise(2 * PAGE_BYTES)]),
      true,
    ),
    'a record beyond the limit': Buffer.concat([
      new XenStream().image().pageData(range(0, 2)).bytes(),
      s.u32(REC.hvmContext, 128 * 1024 * 1024 + 1),
      new XenStream().pvGuest().bytes(),
    ]),
    'a PAGE_DATA that never comes': Buffer.concat([
      new XenStream().image().bytes(),
      s.u32(REC.pageData, 128 * 1024 * 1024, 32_000, 0),
      s.noise(5000),
    ]),
    'an END with a body': Buffer.concat([
      new XenStream().image().pageData(range(0, 2)).bytes(),
      s.u32(REC.end, 16),
      s.noise(9),
    ]),
    'another page size': new XenStream().image({ pageShift: 16 }).pageData(range(0, 2)).end().bytes(),
    'a version of the future': new XenStream({ version: 4 }).image().pageData(range(0, 2)).end().bytes(),
    'nothing but the marker': new XenStream().image().bytes().subarray(0, 13),
    'padding that is not zero': new XenStream({ padding: 0x47 }).pvGuest().bytes(),
  };
  const q = new QemuStream().magic().configuration();
  return [
    ...Object.entries(bare).map(([name, bytes]): Sample => ({ name, kind: 'libxc', bytes })),
    {
      name: 'xl with data beyond its end',
      kind: 'xl',
      bytes: Buffer.concat([
        new XenStream().xlHeader().bytes().subarray(0, 44),
        s.u32(0xfffffff0),
        s.noise(99),
      ]),
    },
    {
      name: 'libxl with garbage records',
      kind: 'libxl',
      bytes: new XenStream().libxlHeader().record(0x7123, s.noise(50)).skeleton(s.noise(9000)).bytes(),
    },
    {
      name: 'libxl whose last record breaks off',
      kind: 'libxl',
      // The totals that follow look like records of libxl: CHECKPOINT_END, END.
      bytes: new XenStream()
        .libxlHeader()
        .record(3, s.noise(400))
        .bytes()
        .subarray(0, 16 + 8 + 400 - 16),
    },
    {
      name: 'xenopsd with an unknown header',
      kind: 'xenopsd',
      bytes: new XenStream().xenopsdSignature().xenopsdHeader(0x4711, 99).skeleton(s.noise(5000)).bytes(),
    },
    qemu('qemu with absurdly many blocks', {
      bytes: Buffer.concat([
        q
          .sectionStart(2, 'ram')
          .word((1n << 50n) | 4n)
          .build().bytes,
        u64(1n << 49n),
        s.noise(9000),
      ]),
    }),
    qemu('qemu with an absurd command', {
      bytes: Buffer.concat([
        new QemuStream().magic().configuration().command(COMMAND.advise, adviseData()).build().bytes,
        Buffer.of(8, 0xff, 0xff, 0xff, 0xff),
        u32(0xffffffff),
        s.noise(5000),
      ]),
    }),
    qemu('qemu that ends in its magic', { bytes: Buffer.from('QEVM\0\0') }),
  ];
}

/** A stream in which every kind of record occurs, and little else. */
export function smallXenStream(bigEndian = false): Buffer {
  const stream = new XenStream({ bigEndian }).image({ type: 2 }).record(REC.cpuidPolicy, Buffer.alloc(13, 5));
  // Absent pages: records of PAGE_DATA that take no room.
  stream.pageData(range(7, 3, TYPE.invalid)).record(REC.hvmParams, Buffer.alloc(9, 3));
  return stream
    .pageData(range(9, 2, TYPE.broken))
    .record(REC.tscInfo, Buffer.alloc(24, 1))
    .end()
    .bytes();
}

/** The same inside an `xl save` file. */
export function smallXlStream(): Buffer {
  const stream = new XenStream().xlHeader(Buffer.from('{}\0')).libxlHeader().libxcContext();
  stream
    .image({ type: 2 })
    .pageData(range(7, 3, TYPE.invalid))
    .record(REC.hvmParams, Buffer.alloc(9, 3))
    .end();
  return stream.record(3, Buffer.alloc(21, 1)).libxlEnd().bytes();
}
