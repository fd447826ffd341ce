// Builds QEMU migration streams, item by item as savevm.c and ram.c write them, together with the segments that the
// grammar must report for them. The same seed gives the same bytes. Independent of src/grammar/qemu.

import { NO_IDENTITY, NO_PAGE } from '../../../src/grammar/grammar.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { MIB } from '../../../src/units.js';
import { append, type Segment } from './xen-recorder.js';

/** A stream and its expected segments. */
export interface Built {
  readonly bytes: Buffer;
  readonly expected: readonly Segment[];
}

export interface Block {
  readonly name: string;
  readonly pages: number;
  /** In the list after POSTCOPY_ADVISE where it differs from the host's page size. */
  readonly pageSize?: number;
}

export const BLOCKS: readonly Block[] = [
  { name: 'pc.ram', pages: 64 },
  { name: '/rom@etc/acpi/tables', pages: 32 },
  { name: 'pc.bios', pages: 64 },
  { name: '/rom@etc/acpi/rsdp', pages: 1 },
];

/** mulberry32: 32-bit numbers from a seed. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const u8 = (n: number): Buffer => Buffer.of(n);
export function u16(n: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(n);
  return bytes;
}
export function u32(n: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
}
export function u64(n: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(n));
  return bytes;
}
export function counted(text: string): Buffer {
  return Buffer.concat([u8(text.length), Buffer.from(text, 'latin1')]);
}

export class QemuStream {
  readonly #parts: Buffer[] = [];
  readonly #expected: Segment[] = [];
  readonly #random: (below: number) => number;
  #length = 0;
  /** Once the walk has ended: how the grammar must report the rest. */
  #rest: 'pages' | 'skeleton' | undefined;
  #lastBlock = -1;
  footers = true;
  /** Bytes of a target page. */
  pageBytes = PAGE_BYTES;

  constructor(
    seed = 1,
    readonly blocks: readonly Block[] = BLOCKS,
  ) {
    this.#random = random(seed);
  }

  get length(): number {
    return this.#length;
  }

  /** From here on the grammar no longer follows the stream. */
  ends(rest: 'pages' | 'skeleton'): this {
    this.#rest ??= rest;
    return this;
  }

  skeleton(...bytes: Buffer[]): this {
    const all = Buffer.concat(bytes);
    if (all.length === 0) return this;
    if (this.#rest !== undefined) return this.#opaque(all);
    return this.#push(all, { kind: 'skeleton', n: all.length });
  }

  word(value: number | bigint): this {
    if (this.#rest !== undefined) return this.#opaque(u64(value));
    return this.#push(u64(value), { kind: 'words', n: 1, bigEndian: true });
  }

  page(contents: Buffer, identity: number): this {
    if (this.#rest !== undefined) return this.#opaque(contents);
    return this.#push(contents, { kind: 'pages', n: contents.length / PAGE_BYTES, identity });
  }

  /** Bytes that the walk does not know, before it finds its way back: opaque blocks, aligned to the stream. */
  unknown(...bytes: Buffer[]): this {
    const all = Buffer.concat(bytes);
    const from = this.#length;
    this.#opaque(all);
    for (const segment of opaqueSegments(from, this.#length, 'pages')) append(this.#expected, segment);
    return this;
  }

  /** Bytes of a device in a section beside ram: blocks from its start on, then skeleton. */
  deviceData(bytes: Buffer): this {
    const whole = bytes.length - (bytes.length % PAGE_BYTES);
    if (whole > 0) this.page(bytes.subarray(0, whole), NO_IDENTITY);
    return this.skeleton(bytes.subarray(whole));
  }

  flush(): this {
    if (this.#rest === undefined) append(this.#expected, { kind: 'flush' });
    return this;
  }

  #push(bytes: Buffer, segment: Segment): this {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    append(this.#expected, segment);
    return this;
  }

  #opaque(bytes: Buffer): this {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this;
  }

  build(): Built {
    const expected = this.#expected.map((segment) => ({ ...segment }));
    const covered = expected.reduce((sum, segment) => sum + bytesIn(segment), 0);
    for (const segment of opaqueSegments(covered, this.#length, this.#rest)) append(expected, segment);
    return { bytes: Buffer.concat(this.#parts), expected };
  }

  // What savevm.c writes.

  magic(version = 3): this {
    return this.skeleton(Buffer.from('QEVM'), u32(version));
  }

  configuration(machine = 'pc-q35-7.2', subsections: readonly Buffer[] = []): this {
    return this.skeleton(u8(7), u32(machine.length), Buffer.from(machine), ...subsections);
  }

  sectionStart(id: number, name: string, type = 1, version = 4): this {
    return this.skeleton(u8(type), u32(id), counted(name), u32(0), u32(version));
  }

  sectionPart(id: number, type = 2): this {
    return this.skeleton(u8(type), u32(id));
  }

  footer(id: number): this {
    return this.footers ? this.skeleton(u8(0x7e), u32(id)) : this;
  }

  command(command: number, data: Buffer = Buffer.alloc(0)): this {
    return this.skeleton(u8(8), u16(command), u16(data.length), data).flush();
  }

  eof(): this {
    return this.skeleton(u8(0)).flush();
  }

  vmDescription(json = '{"page_size": 4096, "devices": []}'): this {
    return this.skeleton(u8(6), u32(json.length), Buffer.from(json)).flush();
  }

  /** A device's section, whose data looks like ram's. */
  device(id: number, name = 'timer', bytes = 3 * PAGE_BYTES): this {
    this.sectionStart(id, name, 4, 2);
    const data = Buffer.alloc(bytes);
    for (let at = 0; at + 8 <= bytes; at += 8) u64((at << 12) | 0x28).copy(data, at);
    return this.skeleton(data).footer(id);
  }

  // What ram.c writes.

  /** The list of blocks, and the end of the setup section. */
  ramSetup(options: { advised?: boolean; addresses?: boolean; id?: number; mapped?: boolean } = {}): this {
    const id = options.id ?? 2;
    const total = this.blocks.reduce((sum, block) => sum + block.pages * PAGE_BYTES, 0);
    this.sectionStart(id, 'ram').word(total | 0x04);
    this.blocks.forEach((block, i) => {
      this.skeleton(counted(block.name), u64(block.pages * PAGE_BYTES));
      if (options.advised === true && block.pageSize !== undefined) this.skeleton(u64(block.pageSize));
      if (options.addresses === true) this.skeleton(u64(i * 0x1000_0000));
      if (options.mapped === true) this.mappedBlock(block, i);
    });
    return this.eos().footer(id);
  }

  /** MappedRamHeader, bitmap, hole, pages. The offsets are those of a file with 100 bytes before the stream. */
  mappedBlock({ pages }: Block, index: number): this {
    const at = 100 + this.#length + 28;
    const bitmap = Math.ceil(pages / 64) * 8;
    const pagesAt = Math.ceil((at + bitmap) / MIB) * MIB;
    const padding = Buffer.alloc(pagesAt - at);
    padding.fill(0xaa, 0, bitmap);
    const lead = padding.length % PAGE_BYTES;
    this.skeleton(u32(1), u64(this.pageBytes), u64(at), u64(pagesAt), padding.subarray(0, lead));
    this.page(padding.subarray(lead), NO_PAGE);
    return this.page(Buffer.alloc(pages * PAGE_BYTES, index + 1), index * 2 ** 36);
  }

  eos(): this {
    return this.word(0x10);
  }

  /** The word before a page, with the block's name where ram.c writes it. */
  header(block: number, page: number, flag: number): this {
    const again = block === this.#lastBlock;
    this.word(BigInt(page) * BigInt(this.pageBytes) + BigInt(flag | (again ? 0x20 : 0)));
    if (!again) this.skeleton(counted(this.blocks[block]!.name));
    this.#lastBlock = block;
    return this;
  }

  ramPage(block: number, page: number, fill = this.#random(256)): this {
    const identity = block * 2 ** 36 + page * (this.pageBytes / PAGE_BYTES);
    return this.header(block, page, 0x08).page(Buffer.alloc(this.pageBytes, fill), identity);
  }

  zeroPage(block: number, page: number): this {
    return this.header(block, page, 0x02).skeleton(u8(0));
  }

  xbzrlePage(block: number, page: number, length = 20): this {
    return this.header(block, page, 0x40).skeleton(u8(1), u16(length), Buffer.alloc(length, 0x28));
  }

  compressedPage(block: number, page: number, length = 700): this {
    return this.header(block, page, 0x100).skeleton(u32(length), Buffer.alloc(length, 0x28));
  }

  /** Some pages of each kind. */
  mixture(count: number, kinds = 4): this {
    for (let i = 0; i < count; i++) {
      const block = this.#random(10) < 8 ? Math.max(this.#lastBlock, 0) : this.#random(this.blocks.length);
      const page = this.#random(Math.ceil((this.blocks[block]!.pages * PAGE_BYTES) / this.pageBytes));
      const kind = this.#random(kinds);
      if (kind === 0) this.ramPage(block, page);
      else if (kind === 1) this.zeroPage(block, page);
      else if (kind === 2) this.xbzrlePage(block, page);
      else this.compressedPage(block, page);
      if (this.#random(12) === 0) this.word(0x200);
      if (this.#random(12) === 0) this.word(0x80);
    }
    return this;
  }
}

/** The expected segments of the rest of a stream, bytes `from` to `length`. */
export function opaqueSegments(
  from: number,
  length: number,
  rest: 'pages' | 'skeleton' | undefined,
): Segment[] {
  const aligned = Math.ceil(from / PAGE_BYTES) * PAGE_BYTES;
  const pages = rest === 'pages' ? Math.max(0, Math.floor((length - aligned) / PAGE_BYTES)) : 0;
  const last = aligned + pages * PAGE_BYTES;
  const segments: Segment[] =
    pages === 0
      ? [{ kind: 'skeleton', n: length - from }]
      : [
          { kind: 'skeleton', n: aligned - from },
          { kind: 'pages', n: pages, identity: NO_IDENTITY },
          { kind: 'skeleton', n: length - last },
        ];
  return segments.filter((segment) => !('n' in segment) || segment.n > 0);
}

function bytesIn(segment: Segment): number {
  if (segment.kind === 'words') return segment.n * 8;
  if (segment.kind === 'pages') return segment.n * PAGE_BYTES;
  return segment.kind === 'skeleton' ? segment.n : 0;
}

/** A subsection of CONFIGURATION. */
export function subsection(name: string, data: Buffer): Buffer {
  return Buffer.concat([u8(5), counted(`configuration/${name}`), u32(1), data]);
}

export const SUBSECTIONS = {
  pageBits: (bits = 12): Buffer => subsection('target-page-bits', u32(bits)),
  capabilities: (...names: string[]): Buffer =>
    subsection('capabilities', Buffer.concat([u32(names.length), ...names.map(counted)])),
  uuid: (): Buffer => subsection('uuid', Buffer.alloc(16, 0x05)),
};

export const COMMAND = {
  openReturnPath: 1,
  ping: 2,
  advise: 3,
  listen: 4,
  run: 5,
  discard: 6,
  packaged: 7,
  switchoverStart: 11,
};

/** Data of POSTCOPY_ADVISE: sum of page sizes, target page size. */
export function adviseData(sizes = PAGE_BYTES): Buffer {
  return Buffer.concat([u64(sizes), u64(PAGE_BYTES)]);
}

/** Precopy with several rounds, device state, end and description, as a current QEMU writes it. */
export function precopy(seed = 1, rounds = 3, pages = 12, kinds = 4): Built {
  const stream = new QemuStream(seed).magic().configuration();
  stream.command(COMMAND.openReturnPath).command(COMMAND.ping, u32(1)).ramSetup();
  for (let round = 1; round <= rounds; round++) {
    stream.sectionPart(2, round === rounds ? 3 : 2).mixture(pages, kinds);
    stream.eos().footer(2);
    if (round === rounds - 1) stream.command(COMMAND.switchoverStart);
  }
  return stream.ends('skeleton').device(0).device(7, 'cpu_common').eof().vmDescription().build();
}

/** Without CONFIGURATION and footers, as with machine types before 2.4. */
export function oldMachine(seed = 1): Built {
  const stream = new QemuStream(seed);
  stream.footers = false;
  stream.magic().ramSetup().sectionPart(2).mixture(5, 2).eos().sectionPart(2, 3).mixture(3, 2).eos();
  return stream.ends('skeleton').device(0).eof().build();
}

/** All subsections of CONFIGURATION; x-ignore-shared adds guest addresses to the list of blocks. */
export function withCapabilities(seed = 1): Built {
  const subsections = [
    SUBSECTIONS.pageBits(),
    SUBSECTIONS.capabilities('xbzrle', 'x-ignore-shared'),
    SUBSECTIONS.uuid(),
  ];
  const stream = new QemuStream(seed).magic().configuration('virt-10.0', subsections);
  stream.ramSetup({ addresses: true }).sectionPart(2, 3).mixture(6).eos().footer(2);
  return stream.ends('skeleton').device(0).eof().build();
}

/** After POSTCOPY_ADVISE: blocks of huge pages have their page size in the list, at any position. */
export function advised(hugeBlocks: readonly number[], ignoreShared = false, seed = 1): Built {
  const blocks = BLOCKS.map((block, i) => (hugeBlocks.includes(i) ? { ...block, pageSize: 2 ** 21 } : block));
  const stream = new QemuStream(seed, blocks).magic();
  stream.configuration('q35', ignoreShared ? [SUBSECTIONS.capabilities('x-ignore-shared')] : []);
  stream.command(COMMAND.advise, adviseData(2 ** 21 + PAGE_BYTES));
  stream.ramSetup({ advised: true, addresses: ignoreShared });
  stream.sectionPart(2, 3).mixture(6).eos().footer(2);
  return stream.ends('skeleton').device(0).eof().build();
}

/** Switches to postcopy: the package of device state, then pages on demand. */
export function postcopy(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration();
  stream.command(COMMAND.advise, adviseData()).ramSetup().sectionPart(2).mixture(6).eos().footer(2);
  stream.command(COMMAND.discard, Buffer.alloc(40, 1));
  const inner = Buffer.concat([Buffer.from('QEVM'), u32(3), Buffer.alloc(9000, 0x28)]);
  stream.command(COMMAND.packaged, u32(inner.length)).ends('skeleton').skeleton(inner);
  return stream.sectionPart(2).mixture(10, 2).eos().footer(2).eof().build();
}

/** As postcopy(), with LISTEN in the stream itself. */
export function listening(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration();
  stream.command(COMMAND.advise, adviseData()).ramSetup().command(COMMAND.listen).ends('skeleton');
  return stream.sectionPart(2).mixture(10, 2).eos().footer(2).eof().build();
}

/** Rounds of RAM, with what `between` writes after each; then device state, EOF and description. */
function inRounds(
  stream: QemuStream,
  rounds: number,
  between: (round: number) => void = () => undefined,
  kinds = 4,
): Built {
  for (let round = 1; round <= rounds; round++) {
    stream.sectionPart(2, round === rounds ? 3 : 2).mixture(8, kinds);
    stream.eos().footer(2);
    if (round < rounds) between(round);
  }
  return stream.ends('skeleton').device(0).eof().vmDescription().build();
}

/** Since 8.1 virtio-mem writes a FULL section before ram (vmstate_virtio_mem_device_early). */
export function virtioMem(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration();
  for (const path of ['0000:00:03.0', '0000:00:04.0']) {
    stream.sectionStart(1, `${path}/virtio-mem-device-early`, 4, 1);
    // Address, 100 GiB of region, blocks of 2 MiB, node, plugged bytes; 51,200 bits.
    stream.skeleton(u64(2 ** 32), u64(100 * 2 ** 30), u64(2 ** 21), u32(0), u64(2 ** 30));
    stream.deviceData(Buffer.alloc(6400, 0xff)).footer(1);
  }
  return inRounds(stream.ramSetup(), 3);
}

/** A device that writes its state before ram in a form that is not known. */
export function unknownEarly(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration();
  const head = [u8(4), u32(1), counted('0000:00:03.0/new-device-early'), u32(0), u32(1)];
  stream.unknown(...head, Buffer.alloc(9000, 0x7e)).footer(1);
  return inRounds(stream.ramSetup(), 3);
}

/** CONFIGURATION with a subsection of a later QEMU: START of ram is the way back. */
export function unknownConfiguration(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration();
  stream.unknown(subsection('of-a-later-qemu', Buffer.alloc(5000, 1)));
  return inRounds(stream.ramSetup(), 3);
}

const VFIO = (flag: number): Buffer => Buffer.concat([u32(0xffff_ffff), u32(0xef10_0000 + flag)]);

/** A VFIO device sends in rounds, between the sections of ram. */
export function vfio(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration().ramSetup();
  stream.sectionStart(9, '0000:00:02.0/vfio', 1, 1).skeleton(VFIO(3), VFIO(1)).footer(9);
  return inRounds(stream, 4, (round) => {
    stream.sectionPart(9).skeleton(VFIO(4), u64(9000)).deviceData(Buffer.alloc(9000, 0x28));
    // With switchover-ack INIT_DATA_SENT takes the place of END_OF_STATE.
    stream.skeleton(VFIO(round === 2 ? 5 : 1)).footer(9);
  });
}

/** Dirty bitmaps: START right behind ram's, bits in rounds, names where they change. */
export function dirtyBitmaps(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration().ramSetup();
  stream.sectionStart(3, 'dirty-bitmap', 1, 1);
  stream.skeleton(u8(0x1c), counted('drive0'), counted('bitmap0'), u32(65_536), u8(1));
  stream.skeleton(u8(0x14), counted('bitmap1'), u32(65_536), u8(0), u8(1)).footer(3);
  return inRounds(stream, 4, (round) => {
    stream.sectionPart(3).skeleton(u8(0x40), u64(round), u32(64), u64(32), Buffer.alloc(32, 0x7e));
    stream
      .skeleton(u8(0x42), u64(round), u32(64))
      .skeleton(Buffer.of(0x80, 0x80, 0, 0x20), u8(1))
      .footer(3);
  });
}

/** dirty-bitmaps is on, but there is no bitmap. */
export function noDirtyBitmaps(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration().ramSetup();
  return inRounds(stream.sectionStart(3, 'dirty-bitmap', 1, 1).skeleton(u8(1)).footer(3), 3);
}

/** pseries: the hash page table beside ram, or none with a radix MMU. */
export function hashTable(bits: number, seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration('pseries-10.0').ramSetup();
  stream.sectionStart(4, 'spapr/htab', 1, 1).skeleton(u32(bits)).footer(4);
  return inRounds(stream, 4, (round) => {
    stream.sectionPart(4);
    if (bits === 0xffff_ffff) stream.skeleton(u32(bits)).footer(4);
    else {
      stream.skeleton(u32(0), u32(round), u16(3), u16(5), Buffer.alloc(48, 0x7e));
      stream.skeleton(u32(100), u16(300), u16(0)).deviceData(Buffer.alloc(4800, 2));
      stream.skeleton(u32(7), u16(0), u16(9), Buffer.alloc(8)).footer(4);
    }
  });
}

/** s390x: storage attributes beside ram; DONE without EOS at the end of one section. */
export function storageAttributes(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration('s390-ccw-virtio-10.0').ramSetup();
  stream.sectionStart(5, 's390-storage_attributes', 1, 0).skeleton(u64(1)).footer(5);
  return inRounds(stream, 4, (round) => {
    stream.sectionPart(5).skeleton(u64(0x5002), u64(20), Buffer.alloc(20, 3));
    if (round === 2) stream.skeleton(u64(8), u64(1)).footer(5);
    else stream.skeleton(u64(round === 1 ? 1 : 8)).footer(5);
  });
}

/** Disks in the stream, as QEMU wrote them until 9.0. */
export function blockMigration(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration().ramSetup();
  stream.sectionStart(6, 'block', 1, 1).skeleton(u64(2)).footer(6);
  return inRounds(stream, 3, (round) => {
    stream
      .sectionPart(6)
      .skeleton(u64(round * 2 ** 20 + 1), counted('drive0'))
      .deviceData(Buffer.alloc(MIB, 4));
    stream.skeleton(u64(9), counted('drive0'), u64(5 * 512 + 4), u64(2)).footer(6);
  });
}

/** A live section of a later QEMU, announced and sent in rounds; its data holds footers of others. */
export function unknownLive(seed = 1, bytes = 9000): Built {
  const stream = new QemuStream(seed).magic().configuration().ramSetup();
  const data = Buffer.alloc(bytes, 0x7e);
  Buffer.concat([u8(0x7e), u32(2), u8(2), u32(2)]).copy(data, 100);
  Buffer.concat([u8(0x7e), u32(9), u8(9), u32(2)]).copy(data, 200);
  stream.unknown(u8(1), u32(9), counted('of-a-later-qemu'), u32(0), u32(1), data).footer(9);
  return inRounds(stream, 4, () => stream.unknown(u8(2), u32(9), data).footer(9));
}

/** Unknown words in ram: the walk goes on behind the section's footer. */
export function unknownInRam(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration().ramSetup();
  return inRounds(stream, 4, () => {
    stream.sectionPart(2).mixture(4).unknown(u64(0x1400), Buffer.alloc(9000, 0x28)).footer(2);
  });
}

/** A background snapshot: RAM ends without END, then comes the device state of the moment at which it began. */
export function backgroundSnapshot(seed = 1): Built {
  const stream = new QemuStream(seed).magic().configuration().ramSetup();
  for (let round = 0; round < 3; round++) stream.sectionPart(2).mixture(8, 2).eos().footer(2);
  for (const [id, name] of [
    [0, 'timer'],
    [1, 'cpu_common'],
    [7, 'slirp'],
  ] as const) {
    const head = [u8(4), u32(id), counted(name), u32(0), u32(2)];
    stream.skeleton(...head, Buffer.alloc(5000, id)).footer(id);
  }
  return stream.eof().vmDescription().build();
}

/** Target pages of 2^bits bytes, as CONFIGURATION tells. */
export function largePages(bits: number, seed = 1): Built {
  const blocks = BLOCKS.map((block) => ({ ...block, pages: block.pages * 2 ** (bits - 12) }));
  const stream = new QemuStream(seed, blocks).magic().configuration('virt', [SUBSECTIONS.pageBits(bits)]);
  stream.pageBytes = 2 ** bits;
  return inRounds(stream.ramSetup(), 3, undefined, 2);
}

/** A mapped-ram file with 100 bytes before the stream: each block's pages are in the list. */
export function mappedRam(blocks = BLOCKS, seed = 1): Built {
  const stream = new QemuStream(seed, blocks).magic();
  stream.configuration('pc-q35-10.0', [SUBSECTIONS.capabilities('mapped-ram')]).ramSetup({ mapped: true });
  for (let round = 0; round < 2; round++) stream.sectionPart(2).eos().footer(2);
  return stream.sectionPart(2, 3).eos().footer(2).ends('skeleton').device(0).eof().vmDescription().build();
}
