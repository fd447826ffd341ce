// Builds synthetic Xen streams, valid or hostile, together with the segments that a grammar must report for them.
// Deterministic: page contents come from a seed. Written from the specifications, not from the grammar's source.

import { PAGE_BYTES } from '../../../src/page/size.js';
import { append, type Segment } from './xen-recorder.js';

export const IMAGE_BYTES = 24 + 16;

export const REC = {
  end: 0x00,
  pageData: 0x01,
  pvInfo: 0x02,
  p2mFrames: 0x03,
  vcpuBasic: 0x04,
  vcpuExtended: 0x05,
  sharedInfo: 0x07,
  tscInfo: 0x08,
  hvmContext: 0x09,
  hvmParams: 0x0a,
  verify: 0x0d,
  checkpoint: 0x0e,
  staticDataEnd: 0x10,
  cpuidPolicy: 0x11,
  msrPolicy: 0x12,
  unknownMandatory: 0x7ffffff0,
  unknownOptional: 0x80001234,
} as const;

export const TYPE = {
  normal: 0,
  l1: 1,
  l4: 4,
  l4Pinned: 0xc,
  broken: 0xd,
  allocateOnly: 0xe,
  invalid: 0xf,
} as const;

export interface Entry {
  readonly pfn: number;
  readonly type: number;
}

/** Entries of pages first … first+n-1. */
export function range(first: number, n: number, type: number = TYPE.normal): Entry[] {
  return Array.from({ length: n }, (_, i) => ({ pfn: first + i, type }));
}

/** mulberry32: 32-bit numbers from a seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

export interface StreamOptions {
  readonly version?: number;
  readonly bigEndian?: boolean;
  readonly seed?: number;
  readonly padding?: number;
}

export class XenStream {
  readonly segments: Segment[] = [];
  readonly bigEndian: boolean;
  /** Offsets of the records of the current libxc stream, in the whole input. */
  readonly recordOffsets: number[] = [];
  readonly #version: number;
  readonly #padding: number;
  readonly #random: () => number;
  readonly #parts: Buffer[] = [];
  /** Of the current libxc stream. */
  #domainType: number | undefined;
  readonly #seen = new Set<number>();
  #length = 0;

  constructor(options: StreamOptions = {}) {
    this.#version = options.version ?? 3;
    this.bigEndian = options.bigEndian ?? false;
    this.#random = random(options.seed ?? 1);
    this.#padding = options.padding ?? 0;
  }

  get length(): number {
    return this.#length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** Adds bytes that no segment describes yet. */
  #add(bytes: Uint8Array): void {
    this.#parts.push(Buffer.from(bytes));
    this.#length += bytes.length;
  }

  note(segment: Segment): this {
    append(this.segments, segment);
    return this;
  }

  skeleton(bytes: Uint8Array): this {
    this.#add(bytes);
    return bytes.length === 0 ? this : this.note({ kind: 'skeleton', n: bytes.length });
  }

  u16(value: number): Buffer {
    const bytes = Buffer.alloc(2);
    if (this.bigEndian) bytes.writeUInt16BE(value);
    else bytes.writeUInt16LE(value);
    return bytes;
  }

  u32(...values: number[]): Buffer {
    const bytes = Buffer.alloc(4 * values.length);
    values.forEach((value, i) =>
      this.bigEndian ? bytes.writeUInt32BE(value, 4 * i) : bytes.writeUInt32LE(value, 4 * i),
    );
    return bytes;
  }

  u64(value: bigint): Buffer {
    const bytes = Buffer.alloc(8);
    if (this.bigEndian) bytes.writeBigUInt64BE(value);
    else bytes.writeBigUInt64LE(value);
    return bytes;
  }

  noise(n: number): Buffer {
    const bytes = Buffer.alloc(n);
    for (let i = 0; i < n; i += 1) bytes[i] = this.#random();
    return bytes;
  }

  #pad(length: number): Buffer {
    return Buffer.alloc((8 - (length % 8)) % 8, this.#padding);
  }

  /** Image and domain header. */
  image(domain: { type?: number; pageShift?: number } = {}): this {
    const image = Buffer.alloc(24);
    image.fill(0xff, 0, 8);
    image.write('XENF', 8, 'latin1');
    image.writeUInt32BE(this.#version, 12);
    image.writeUInt16BE(this.bigEndian ? 1 : 0, 16);
    this.recordOffsets.length = 0;
    this.#domainType = domain.type ?? 1;
    this.#seen.clear();
    return this.skeleton(image).skeleton(
      Buffer.concat([
        this.u32(domain.type ?? 1),
        this.u16(domain.pageShift ?? 12),
        this.u16(0),
        this.u32(4, 17),
      ]),
    );
  }

  /** A record other than PAGE_DATA, END and CHECKPOINT; also libxl's, which have the same framing. */
  record(type: number, body: Uint8Array = Buffer.alloc(0)): this {
    this.recordOffsets.push(this.#length);
    this.#seen.add(type);
    return this.skeleton(Buffer.concat([this.u32(type, body.length), body, this.#pad(body.length)]));
  }

  pageData(entries: readonly Entry[]): this {
    const present = entries.filter(({ type }) => type < TYPE.broken);
    const length = 8 + 8 * entries.length + PAGE_BYTES * present.length;
    this.recordOffsets.push(this.#length);
    this.#seen.add(REC.pageData);
    this.note({ kind: 'pageData', inside: true });
    this.skeleton(Buffer.concat([this.u32(REC.pageData, length), this.u32(entries.length, 0)]));
    this.#add(Buffer.concat(entries.map(({ pfn, type }) => this.u64((BigInt(type) << 60n) | BigInt(pfn)))));
    this.note({ kind: 'words', n: entries.length, bigEndian: this.bigEndian });
    for (const { pfn } of present) {
      this.#add(this.noise(PAGE_BYTES));
      this.note({ kind: 'pages', n: 1, identity: pfn });
    }
    return this.note({ kind: 'pageData', inside: false });
  }

  /** A PAGE_DATA record with this body, reported completely as skeleton but marked as page data. */
  pageDataSkeleton(body: Uint8Array): this {
    this.note({ kind: 'pageData', inside: true });
    this.record(REC.pageData, body);
    return this.note({ kind: 'pageData', inside: false });
  }

  /** END, and before it the records of every saver that the stream lacks. */
  end(): this {
    return this.complete().bareEnd();
  }

  /** END without regard to the records before it. */
  bareEnd(): this {
    return this.note({ kind: 'totals' }).record(REC.end).flush();
  }

  checkpoint(): this {
    return this.complete().bareCheckpoint();
  }

  bareCheckpoint(): this {
    return this.note({ kind: 'totals' }).record(REC.checkpoint).flush();
  }

  /** The records that libxc's savers always write and this stream lacks, in their smallest form. */
  complete(): this {
    // Without an image header these records belong to another stream.
    if (this.#domainType === undefined) return this;
    const needed =
      this.#domainType === 1
        ? [REC.pvInfo, REC.staticDataEnd, REC.p2mFrames, REC.pageData, REC.sharedInfo, REC.vcpuBasic]
        : [REC.staticDataEnd, REC.pageData, REC.hvmContext];
    for (const type of needed) {
      if (this.#seen.has(type) || (type === REC.staticDataEnd && this.#version < 3)) continue;
      if (type === REC.pageData) this.pageData(range(0, 1, TYPE.invalid));
      else this.record(type, Buffer.alloc(type === REC.staticDataEnd ? 0 : 8, type));
    }
    return this;
  }

  flush(): this {
    return this.note({ kind: 'flush' });
  }

  // Wrappings.

  xlHeader(config: Uint8Array = Buffer.from('{ "c_info": {} }\0')): this {
    const magic = Buffer.from('Xen saved domain, xl format\n \0 \r', 'latin1');
    return this.skeleton(Buffer.concat([magic, this.u32(0x01020304, 3, 0, config.length), config]));
  }

  libxlHeader(version = 2): this {
    const header = Buffer.alloc(16);
    header.write('LibxlFmt', 'latin1');
    header.writeUInt32BE(version, 8);
    header.writeUInt32BE(this.bigEndian ? 1 : 0, 12);
    return this.skeleton(header);
  }

  /** LIBXC_CONTEXT: a libxc stream follows. */
  libxcContext(): this {
    return this.record(1);
  }

  /** libxl's records between two checkpoints of libxc. */
  libxlCheckpoint(): this {
    return this.record(2, this.noise(20)).record(3, this.noise(301)).record(4).flush();
  }

  libxlEnd(): this {
    return this.record(0).flush();
  }

  xenopsdSignature(): this {
    return this.skeleton(Buffer.from('XenSavedDomv2-\n', 'latin1'));
  }

  /** A header of a xenopsd image, always little-endian, with this length field. */
  xenopsdHeader(type: number, length = 0): this {
    const header = Buffer.alloc(16);
    header.writeBigUInt64LE(BigInt(type), 0);
    header.writeBigUInt64LE(BigInt(length), 8);
    return this.skeleton(header);
  }

  xenopsdRecord(type: number, body: Uint8Array): this {
    return this.xenopsdHeader(type, body.length).skeleton(body);
  }

  xenopsdEnd(): this {
    return this.xenopsdHeader(0xffff).flush();
  }

  // Guests.

  /** A small PV guest: two rounds, deferred absent entries, the vcpu's records, END. */
  pvGuest(): this {
    this.image().record(REC.pvInfo, this.noise(8)).record(REC.cpuidPolicy, this.noise(49));
    this.record(REC.msrPolicy, this.noise(32))
      .record(REC.staticDataEnd)
      .record(REC.p2mFrames, this.noise(24));
    this.pvRounds();
    this.record(REC.tscInfo, this.noise(24)).record(REC.sharedInfo, this.noise(PAGE_BYTES));
    return this.record(REC.vcpuBasic, this.noise(516)).record(REC.vcpuExtended, this.noise(72)).end();
  }

  pvRounds(): this {
    this.pageData([
      ...range(0, 3),
      { pfn: 3, type: TYPE.l4Pinned },
      ...range(4, 2, TYPE.invalid),
      ...range(6, 2, TYPE.l1),
      { pfn: 0x12345, type: TYPE.broken },
    ]);
    return this.pageData([
      { pfn: 1, type: TYPE.normal },
      { pfn: 2 ** 52 - 1, type: TYPE.l4 },
      { pfn: 0, type: TYPE.normal },
    ]);
  }

  /** A small PVH guest, whose records of absent pfns hold no page. */
  pvhGuest(absentRecords = 3): this {
    this.image({ type: 2 }).record(REC.cpuidPolicy, this.noise(48)).record(REC.staticDataEnd);
    this.pageData(range(0, 5));
    for (let i = 1; i <= absentRecords; i += 1) this.pageData(range(i * 1024, 1024, TYPE.invalid));
    this.pageData([...range(0xfeff0, 2, TYPE.allocateOnly), ...range(0xff000, 1)]);
    return this.record(REC.tscInfo, this.noise(24)).record(REC.hvmContext, this.noise(250)).end();
  }

  /** With `xl migrate --debug`: all pages are sent again after VERIFY. */
  verifiedGuest(): this {
    this.image({ type: 2 }).pageData(range(8, 3)).record(REC.verify).pageData(range(8, 3));
    return this.record(REC.hvmParams, this.noise(24)).end();
  }

  /** Remus in a libxl stream: three checkpoints, then the end of a planned fail-over. */
  remusGuest(): this {
    this.libxlHeader().libxcContext().image({ type: 2 });
    for (let round = 0; round < 3; round += 1) {
      this.pageData(range(round * 2, 2))
        .record(REC.hvmContext, this.noise(41))
        .checkpoint();
      this.libxlCheckpoint();
    }
    return this.pageData(range(1, 1)).end().record(3, this.noise(9)).libxlEnd();
  }
}

/** One well-formed stream of every shape, by name. */
export function wellFormed(
  options: StreamOptions = {},
): Record<string, { kind: XenStreamKind; stream: XenStream }> {
  const s = () => new XenStream(options);
  return {
    pv: { kind: 'libxc', stream: s().pvGuest() },
    pvh: { kind: 'libxc', stream: s().pvhGuest() },
    verify: { kind: 'libxc', stream: s().verifiedGuest() },
    'unknown records': {
      kind: 'libxc',
      stream: s()
        .image()
        .record(REC.unknownMandatory, Buffer.alloc(13, 7))
        .record(REC.unknownOptional, Buffer.alloc(8, 7))
        .pageData(range(5, 1))
        .end(),
    },
    libxl: {
      kind: 'libxl',
      stream: s().libxlHeader().libxcContext().pvGuest().record(3, Buffer.alloc(21, 1)).libxlEnd(),
    },
    remus: { kind: 'libxl', stream: s().remusGuest() },
    xl: {
      kind: 'xl',
      stream: s()
        .xlHeader()
        .libxlHeader()
        .libxcContext()
        .verifiedGuest()
        .libxlEnd()
        .skeleton(Buffer.from('ready')),
    },
    'xl without data': {
      kind: 'xl',
      stream: s().xlHeader(Buffer.alloc(0)).libxlHeader().libxcContext().verifiedGuest().libxlEnd(),
    },
    xenopsd: {
      kind: 'xenopsd',
      stream: s()
        .xenopsdSignature()
        .xenopsdRecord(0x000f, Buffer.from('((word_size 64))'))
        .xenopsdHeader(0x00f0)
        .pvhGuest(1)
        .xenopsdRecord(0x0f01, Buffer.alloc(77, 2))
        .xenopsdRecord(0x0f11, Buffer.alloc(0))
        .xenopsdRecord(0x0f13, Buffer.alloc(5, 3))
        .xenopsdEnd()
        .skeleton(Buffer.from('what another writes')),
    },
    'xenopsd with libxl': {
      kind: 'xenopsd',
      stream: s()
        .xenopsdSignature()
        .xenopsdHeader(0x00f1)
        .remusGuest()
        .xenopsdRecord(0x0f00, Buffer.alloc(3))
        .xenopsdEnd(),
    },
    'xenopsd with vGPU': {
      kind: 'xenopsd',
      stream: s()
        .xenopsdSignature()
        .xenopsdHeader(0x00f0)
        .verifiedGuest()
        .xenopsdHeader(0x0f10)
        .skeleton(Buffer.alloc(99, 6)),
    },
  };
}

export type XenStreamKind = 'libxc' | 'libxl' | 'xl' | 'xenopsd';
