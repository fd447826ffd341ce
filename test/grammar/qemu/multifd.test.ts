// Channels of multifd migrations: packets as multifd.c of QEMU 7.2, 9.1 and 10 writes them, from the test's own builder.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';

import { NO_IDENTITY, SEEN } from '../../../src/grammar/grammar.js';
import { isPostcopyEnd } from '../../../src/grammar/qemu/postcopy-end.js';
import { MultifdGrammar } from '../../../src/grammar/qemu/multifd.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { random, u32, u64 } from '../support/qemu-streams.js';
import { append, record, type Segment } from '../support/xen-recorder.js';

const MAGIC = 0x11223344;
const SYNC = 1;
const ZSTD = 2 << 1;
const DEVICE_STATE = 1 << 6;
const BLOCK = 2 ** 36;

interface Packet {
  readonly flags?: number;
  readonly block?: string;
  /** Page numbers, in target pages. */
  readonly normal?: readonly number[];
  readonly zero?: readonly number[];
  readonly entries?: number;
  readonly pageBytes?: number;
  /** Contents of pages that QEMU has compressed. */
  readonly encoded?: number;
  /** QEMU 9.1 and newer: a packet without pages leaves the number of entries out. */
  readonly isNew?: boolean;
}

/** A channel and the segments that the grammar must report. */
class Channel {
  readonly #parts: Buffer[] = [];
  readonly expected: Segment[] = [];
  readonly #blocks: string[] = [];

  constructor(id = 0) {
    const rest = Buffer.alloc(39);
    this.#add(Buffer.concat([u32(MAGIC), u32(1), Buffer.alloc(16, 0xaa), Buffer.of(id), rest]), 'skeleton');
    append(this.expected, { kind: 'flush' });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  packet(packet: Packet): this {
    const {
      flags = 0,
      block = 'pc.ram',
      normal = [],
      zero = [],
      entries = 128,
      pageBytes = PAGE_BYTES,
    } = packet;
    const { encoded = normal.length * pageBytes, isNew = false } = packet;
    const hasPages = normal.length + zero.length > 0;
    const name = Buffer.alloc(256);
    if (hasPages) name.write(block);
    this.#add(
      Buffer.concat([
        ...[u32(MAGIC), u32(1), u32(flags), u32(isNew && !hasPages ? 0 : entries), u32(normal.length)],
        // A packet without pages has the length of the one before in QEMU 7.2.
        ...[u32(hasPages || isNew ? encoded : 77_777), u64(12), u32(zero.length), Buffer.alloc(28), name],
      ]),
      'skeleton',
    );
    const offsets = [...normal, ...zero].map((page) => u64(page * pageBytes));
    const isSync = (flags & SYNC) !== 0;
    // The length is not known, so the bytes before leave at once.
    if (isNew && !hasPages && isSync) append(this.expected, { kind: 'flush' });
    this.#add(Buffer.concat([...offsets, Buffer.alloc((entries - offsets.length) * 8)]), 'words');
    if (hasPages && packet.encoded !== undefined) this.#encoded(packet.encoded);
    else this.#pages(block, normal, pageBytes);
    if (isSync) append(this.expected, { kind: 'flush' });
    return this;
  }

  device(bytes: number): this {
    const name = Buffer.alloc(256);
    name.write('0000:00:05.0/vfio');
    const head = [u32(MAGIC), u32(1), u32(DEVICE_STATE), name, u32(0), u32(bytes)];
    this.#add(Buffer.concat([...head, Buffer.alloc(bytes, 0x11)]), 'skeleton');
    return this;
  }

  #pages(block: string, normal: readonly number[], pageBytes: number): void {
    if (normal.length === 0) return;
    if (!this.#blocks.includes(block)) this.#blocks.push(block);
    const parts = pageBytes / PAGE_BYTES;
    for (const page of normal) {
      this.#parts.push(Buffer.alloc(pageBytes, page & 0xff));
      const identity = this.#blocks.indexOf(block) * BLOCK + page * parts;
      append(this.expected, { kind: 'pages', n: parts, identity });
    }
  }

  #encoded(bytes: number): void {
    this.#parts.push(Buffer.alloc(bytes, 0x42));
    const whole = Math.floor(bytes / PAGE_BYTES);
    if (whole > 0) append(this.expected, { kind: 'pages', n: whole, identity: NO_IDENTITY });
    if (bytes % PAGE_BYTES > 0) append(this.expected, { kind: 'skeleton', n: bytes % PAGE_BYTES });
  }

  #add(bytes: Buffer, kind: 'skeleton' | 'words'): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes);
    if (kind === 'skeleton') append(this.expected, { kind, n: bytes.length });
    else append(this.expected, { kind, n: bytes.length / 8, bigEndian: true });
  }
}

const CHANNELS: Record<string, () => Channel> = {
  'of QEMU 7.2': () =>
    new Channel()
      .packet({ normal: [5, 6, 7, 100] })
      .packet({ block: 'pc.bios', normal: [1] })
      .packet({ flags: SYNC })
      .packet({ normal: [6], flags: SYNC }),
  'of QEMU 9.1, with zero pages': () =>
    new Channel(3)
      .packet({ normal: [5, 6], zero: [7, 9] })
      .packet({ zero: [1, 2, 3] })
      .packet({ normal: [8], isNew: true }),
  'with device state': () =>
    new Channel()
      .packet({ normal: [2] })
      .device(70_000)
      .device(0)
      .packet({ normal: [3] }),
  'with pages of 64 KiB': () =>
    new Channel()
      .packet({ normal: [3, 9], entries: 8, pageBytes: 65_536 })
      .packet({ flags: SYNC, entries: 8 }),
  'that QEMU compresses': () =>
    new Channel().packet({ normal: [1, 2, 3], flags: ZSTD, encoded: 9_000 }).packet({ flags: SYNC | ZSTD }),
  'without a packet': () => new Channel(),
};

describe('a multifd channel', () => {
  for (const [name, build] of Object.entries(CHANNELS)) {
    for (const step of [undefined, 1, 4099]) {
      it(`is followed to its end, ${name}, ${step ?? 'all'} bytes at a time`, () => {
        const { bytes, expected } = build();
        const grammar = new MultifdGrammar();
        assert.deepEqual(record(grammar, bytes, step).segments, expected);
        assert.deepEqual(grammar.end(), SEEN);
        assert.equal(grammar.opaqueBecause === undefined, !name.includes('compresses'));
      });
    }
  }

  it('names the codec and the setting, where QEMU has compressed the pages', () => {
    const grammar = new MultifdGrammar();
    record(grammar, CHANNELS['that QEMU compresses']!().bytes);
    assert.match(grammar.opaqueBecause!, /zstd/);
    assert.match(grammar.hint!, /multifd-compression to none/);
  });

  it('is followed over packets that do not tell the length of their array', () => {
    const channel = new Channel()
      .packet({ normal: [1] })
      .packet({ flags: SYNC, isNew: true })
      .packet({ normal: [2], isNew: true })
      .packet({ flags: SYNC, isNew: true });
    for (const step of [undefined, 1, 1000]) {
      const grammar = new MultifdGrammar();
      const { segments } = record(grammar, channel.bytes, step);
      const kept = (all: readonly Segment[]): Segment[] => all.filter(({ kind }) => kind === 'pages');
      assert.deepEqual(kept(segments), kept(channel.expected));
      assert.equal(grammar.opaqueBecause, undefined);
      assert.deepEqual(grammar.end(), SEEN);
      // Nothing is held back behind a SYNC.
      assert.equal(segments.at(-1)?.kind, 'flush');
    }
  });

  it('is incomplete, broken off within a packet', () => {
    const { bytes } = CHANNELS['of QEMU 7.2']!();
    const first = 64;
    for (const cut of [10, first + 1, first + 400, first + 1344 + 4096]) {
      const grammar = new MultifdGrammar();
      record(grammar, bytes.subarray(0, cut));
      assert.equal(grammar.end().state, 'incomplete', String(cut));
    }
  });

  it('is opaque from a packet on that QEMU does not write', () => {
    const good = new Channel().packet({ normal: [1] }).bytes;
    const bad: Record<string, (packet: Buffer) => void> = {
      'no multifd packet': (packet) => packet.writeUInt32BE(1, 0),
      'multifd version 2': (packet) => packet.writeUInt32BE(2, 4),
      'multifd flags 0x100': (packet) => packet.writeUInt32BE(0x100, 8),
      'multifd packet of too many pages': (packet) => packet.writeUInt32BE(200, 16),
      'multifd pages of an unknown size': (packet) => packet.writeUInt32BE(5000, 20),
      'multifd page at an unknown place': (packet) => packet.writeUInt32BE(77, 324),
    };
    for (const [because, spoil] of Object.entries(bad)) {
      const packet = Buffer.from(new Channel().packet({ normal: [1] }).bytes.subarray(64));
      spoil(packet);
      for (const step of [undefined, 1]) {
        const grammar = new MultifdGrammar();
        record(grammar, Buffer.concat([good, packet]), step);
        assert.equal(grammar.opaqueBecause, because);
      }
    }
  });

  it('reports every byte once, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.uint8Array({ maxLength: 9000 }),
        (seed, step, noise) => {
          const below = random(seed);
          const channel = new Channel();
          for (let i = below(5); i > 0; i--) {
            const pages = (most: number): number[] => Array.from({ length: below(most) }, () => below(1000));
            channel.packet({ flags: below(2), normal: pages(6), zero: pages(6), isNew: below(2) === 0 });
          }
          const bytes = Buffer.concat([channel.bytes, noise]);
          if (bytes.length > 70) bytes[64 + below(bytes.length - 64)]! ^= below(256);
          assert.deepEqual(
            record(new MultifdGrammar(), bytes, step).segments.filter(({ kind }) => kind === 'pages'),
            record(new MultifdGrammar(), bytes).segments.filter(({ kind }) => kind === 'pages'),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is told by a golden packet', () => {
    // Of a QEMU 7.2 with two channels: the initial packet, and the head of the first packet.
    const bytes = Buffer.from(
      '1122334400000001' +
        '00'.repeat(16) +
        '00' +
        '00'.repeat(39) +
        '1122334400000001' +
        '00000000' +
        '0000008000000001' +
        '00001000' +
        '0000000000000000' +
        '00'.repeat(32) +
        Buffer.from('pc.ram').toString('hex') +
        '00'.repeat(250) +
        '0000000000fff000' +
        '00'.repeat(127 * 8) +
        'c0'.repeat(4096),
      'hex',
    );
    const { segments } = record(new MultifdGrammar(), bytes);
    assert.deepEqual(segments, [
      { kind: 'skeleton', n: 64 },
      { kind: 'flush' },
      { kind: 'skeleton', n: 320 },
      { kind: 'words', n: 128, bigEndian: true },
      { kind: 'pages', n: 1, identity: 0xfff },
    ]);
  });
});

describe('isPostcopyEnd', () => {
  const word = u64(0x10);
  const footer = Buffer.concat([Buffer.of(0x7e), u32(2)]);

  it('knows the last bytes of a postcopy, with and without footers', () => {
    assert.ok(isPostcopyEnd(Buffer.concat([word, footer, Buffer.of(0)])));
    assert.ok(isPostcopyEnd(Buffer.concat([Buffer.alloc(5, 1), word, Buffer.of(0)])));
  });

  it('takes no other bytes for it', () => {
    assert.ok(!isPostcopyEnd(Buffer.alloc(0)));
    assert.ok(!isPostcopyEnd(Buffer.alloc(14)));
    assert.ok(!isPostcopyEnd(Buffer.concat([word, footer])));
    assert.ok(!isPostcopyEnd(Buffer.concat([u64(0x11), footer, Buffer.of(0)])));
  });
});
