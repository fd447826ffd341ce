// QEMU streams from the tests' own builder: pages, their identities, and where the walk ends.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NO_IDENTITY, SEEN } from '../../../src/grammar/grammar.js';
import { MAX_FLUSHES } from '../../../src/grammar/qemu/format.js';
import { QemuGrammar } from '../../../src/grammar/qemu/qemu.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { Recorder, drive, record, type Segment } from '../support/xen-recorder.js';
import {
  BLOCKS,
  COMMAND,
  QemuStream,
  SUBSECTIONS,
  adviseData,
  advised,
  backgroundSnapshot,
  blockMigration,
  counted,
  dirtyBitmaps,
  hashTable,
  largePages,
  listening,
  mappedRam,
  noDirtyBitmaps,
  oldMachine,
  opaqueSegments,
  postcopy,
  precopy,
  storageAttributes,
  subsection,
  u16,
  u32,
  u64,
  unknownConfiguration,
  unknownEarly,
  unknownInRam,
  unknownLive,
  vfio,
  virtioMem,
  withCapabilities,
  type Built,
} from '../support/qemu-streams.js';

const STREAMS: Record<string, () => Built> = {
  'precopy in three rounds': () => precopy(1),
  'precopy of pages and zero pages only': () => precopy(2, 2, 40, 2),
  'old machine type without CONFIGURATION and footers': () => oldMachine(3),
  'all subsections of CONFIGURATION': () => withCapabilities(4),
  'postcopy advised, no huge pages': () => advised([]),
  'postcopy advised, huge pages first': () => advised([0]),
  'postcopy advised, huge pages last': () => advised([3]),
  'postcopy advised, huge pages everywhere': () => advised([0, 1, 2, 3]),
  'postcopy advised, huge pages, x-ignore-shared': () => advised([0, 3], true),
  'postcopy advised, x-ignore-shared': () => advised([], true),
  'virtio-mem before ram': () => virtioMem(5),
  'sections of VFIO': () => vfio(6),
  'dirty bitmaps': () => dirtyBitmaps(7),
  'dirty-bitmaps without a bitmap': () => noDirtyBitmaps(8),
  'a hash page table': () => hashTable(24),
  'no hash page table': () => hashTable(0xffff_ffff),
  'storage attributes': () => storageAttributes(9),
  'target pages of 4 KiB, told': () => largePages(12),
  'target pages of 16 KiB': () => largePages(14),
  'target pages of 64 KiB': () => largePages(16),
};

/** Streams with parts that the walk does not know, and finds its way back from. */
const RECOVERED: Record<string, () => Built> = {
  'unknown device state before ram': () => unknownEarly(1),
  'unknown subsection of CONFIGURATION': () => unknownConfiguration(2),
  'a live section of an unknown format': () => unknownLive(3),
  'unknown words in ram': () => unknownInRam(4),
  'a background snapshot': () => backgroundSnapshot(5),
};

/** Long streams, which are not driven byte by byte. */
const LONG: Record<string, () => Built> = {
  'disks in the stream': () => blockMigration(1),
  'mapped-ram of several blocks': () => mappedRam(),
  'mapped-ram of one block': () => mappedRam(BLOCKS.slice(0, 1)),
};

/** Streams whose rest is forwarded at once: the number of flushes depends on the split there. */
const URGENT: Record<string, () => Built> = {
  'postcopy with a package': () => postcopy(7),
  'postcopy with LISTEN': () => listening(8),
};

function withoutFlushes(segments: readonly Segment[]): Segment[] {
  const recorder = new Recorder();
  for (const segment of segments) {
    if (segment.kind === 'skeleton') recorder.skeleton(segment.n);
    else if (segment.kind === 'words') recorder.words(segment.n, segment.bigEndian);
    else if (segment.kind === 'pages') recorder.pages(segment.n, segment.identity);
  }
  return recorder.segments;
}

function found(bytes: Uint8Array, piece = Infinity, room = Infinity): readonly Segment[] {
  return record(new QemuGrammar(), bytes, piece, room).segments;
}

function reason(bytes: Uint8Array): string | undefined {
  const grammar = new QemuGrammar();
  record(grammar, bytes);
  return grammar.opaqueBecause;
}

function pages(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + (segment.kind === 'pages' ? segment.n : 0), 0);
}

describe('QemuGrammar.ramLeft', () => {
  const all = BLOCKS.reduce((sum, { pages }) => sum + pages * PAGE_BYTES, 0);

  it('counts down pages and zero pages of the first round, and is unknown before the list and behind RAM', () => {
    const { bytes } = precopy(2, 2, 40, 2);
    const grammar = new QemuGrammar();
    const recorder = new Recorder();
    const seen: (number | undefined)[] = [grammar.ramLeft];
    let from = 0;
    for (let to = 1; to <= bytes.length; to++) {
      from += grammar.scan(bytes.subarray(from, to), to === bytes.length, recorder);
      if (grammar.ramLeft !== seen.at(-1)) seen.push(grammar.ramLeft);
    }
    assert.equal(seen[0], undefined);
    assert.equal(seen[1], all);
    const counted = seen.slice(1, -1) as number[];
    for (let i = 1; i < counted.length; i++) assert.equal(counted[i - 1]! - counted[i]!, PAGE_BYTES);
    assert.equal(counted.length, 1 + 2 * 40);
    assert.equal(seen.at(-1), undefined);
  });
});

describe('qemu grammar: segments', () => {
  for (const [name, build] of Object.entries({ ...STREAMS, ...RECOVERED })) {
    it(`reports the builder's segments: ${name}`, () => {
      const { bytes, expected } = build();
      assert.deepEqual(found(bytes), expected);
    });
    for (const piece of [1, 7, 65536]) {
      it(`reports them in pieces of ${piece}: ${name}`, () => {
        const { bytes, expected } = build();
        assert.deepEqual(found(bytes, piece), expected);
      });
    }
    it(`reports them to a sink for one call: ${name}`, () => {
      const { bytes, expected } = build();
      assert.deepEqual(found(bytes, 5000, 1), expected);
    });
  }
  for (const [name, build] of Object.entries(LONG)) {
    for (const piece of [61, 65536, Infinity]) {
      it(`reports the builder's segments: ${name}, pieces of ${piece}`, () => {
        const { bytes, expected } = build();
        const grammar = new QemuGrammar(name.startsWith('mapped') ? 100 : 0);
        assert.deepEqual(record(grammar, bytes, piece).segments, expected);
        assert.equal(grammar.opaqueBecause, undefined);
        assert.deepEqual(grammar.end(), SEEN);
      });
    }
  }
  for (const [name, build] of Object.entries(URGENT)) {
    for (const piece of [1, 7, 65536, Infinity]) {
      it(`reports the builder's segments: ${name}, pieces of ${piece}`, () => {
        const { bytes, expected } = build();
        assert.deepEqual(withoutFlushes(found(bytes, piece)), withoutFlushes(expected));
      });
    }
  }

  it('reports the same in random splits, to a sink of random capacity', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 40 }),
        (seed, room, sizes) => {
          const { bytes, expected } = precopy(seed, 2, 10);
          const recorder = new Recorder(room);
          let i = 0;
          drive(new QemuGrammar(), bytes, () => sizes[i++ % sizes.length]!, recorder);
          assert.deepEqual(recorder.segments, expected);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('qemu grammar: identities', () => {
  it('numbers blocks in the order of the list, not of their appearance', () => {
    const stream = new QemuStream().magic().ramSetup().sectionPart(2).ramPage(2, 5).ramPage(0, 5).eos();
    const identities = found(stream.build().bytes).flatMap((s) => (s.kind === 'pages' ? [s.identity] : []));
    assert.deepEqual(identities, [2 * 2 ** 36 + 5, 5]);
  });

  it('numbers unlisted blocks in the order of their appearance', () => {
    const stream = new QemuStream().magic().sectionStart(2, 'ram').ramPage(2, 5).ramPage(0, 6).ramPage(2, 7);
    const identities = found(stream.build().bytes).flatMap((s) => (s.kind === 'pages' ? [s.identity] : []));
    assert.deepEqual(identities, [5, 2 ** 36 + 6, 7]);
  });

  it('keeps the identity of a page that is sent again', () => {
    const stream = new QemuStream().magic().ramSetup().sectionPart(2).ramPage(1, 9).eos().footer(2);
    stream.sectionPart(2, 3).zeroPage(0, 1).ramPage(1, 9).eos();
    const identities = found(stream.build().bytes).flatMap((s) => (s.kind === 'pages' ? [s.identity] : []));
    assert.deepEqual(identities, [2 ** 36 + 9, 2 ** 36 + 9]);
  });

  it('keeps the numbers of blocks when the list is sent again', () => {
    const stream = new QemuStream()
      .magic()
      .ramSetup()
      .sectionPart(2)
      .word((161 << 12) | 4);
    for (const { name, pages } of [...BLOCKS].reverse())
      stream.skeleton(counted(name), u64(pages * PAGE_BYTES));
    const { bytes, expected } = stream.ramPage(2, 5).ramPage(0, 5).eos().build();
    assert.deepEqual(found(bytes), expected);
  });

  it('judges a block that was named before by the size of a later list', () => {
    const stream = new QemuStream().magic().ramSetup().sectionPart(2).ramPage(0, 5);
    stream.word((1 << 12) | 4).skeleton(counted(BLOCKS[0]!.name), u64(PAGE_BYTES));
    stream.word((5 << 12) | 8).skeleton(counted(BLOCKS[0]!.name), Buffer.alloc(PAGE_BYTES));
    assert.equal(reason(stream.build().bytes), 'address beyond the end of its block');
  });

  it('keeps identities below 2^53 for the highest address and many blocks', () => {
    const stream = new QemuStream(1, [{ name: 'a', pages: 1 }]).magic().sectionStart(2, 'ram');
    for (let i = 0; i < 300; i++) {
      stream.word(2n ** 48n - 4096n + 8n).skeleton(counted(`block ${i}`));
      stream.page(Buffer.alloc(PAGE_BYTES), (i + 1) * 2 ** 36 - 1);
    }
    const { bytes, expected } = stream.eos().build();
    assert.deepEqual(found(bytes), expected);
  });
});

describe('qemu grammar: where the walk ends', () => {
  it('reports no opaqueBecause after a complete precopy stream', () => {
    for (const build of Object.values(STREAMS)) assert.equal(reason(build().bytes), undefined);
  });

  it('reports no page after the last ram section', () => {
    const stream = new QemuStream().magic().ramSetup().sectionPart(2, 3).ramPage(0, 1).eos().footer(2);
    const { bytes } = stream
      .ends('skeleton')
      .device(0, 'timer', 20 * PAGE_BYTES)
      .build();
    assert.equal(pages(found(bytes)), 1);
  });

  it('reports no pages of a ram section behind END', () => {
    const stream = new QemuStream().magic().ramSetup().sectionPart(2, 3).ramPage(0, 1).eos().footer(2);
    stream.ends('skeleton').sectionPart(2).ramPage(0, 2).eos().footer(2);
    const { bytes, expected } = stream.build();
    assert.deepEqual(found(bytes), expected);
  });

  it('reports the description and the bytes behind EOF as skeleton', () => {
    const stream = new QemuStream().magic().ramSetup().sectionPart(2, 3).ramPage(0, 1).eos().footer(2);
    stream
      .eof()
      .vmDescription()
      .ends('skeleton')
      .skeleton(Buffer.alloc(3 * PAGE_BYTES, 1));
    const { bytes, expected } = stream.build();
    assert.deepEqual(found(bytes, 100), expected);
    assert.equal(new QemuGrammar().state, 'open');
  });

  const start = (): QemuStream => new QemuStream().magic().configuration('q35').ramSetup();
  const unknown: [string, QemuStream, RegExp][] = [
    ['no magic', new QemuStream().ends('pages').skeleton(Buffer.alloc(9000)), /no QEMU magic/],
    ['version 2', new QemuStream().ends('pages').magic(2).ramSetup(), /version 2/],
    ['FULL before ram', new QemuStream().magic().ends('pages').device(3), /device state before/],
    ['FULL between ram sections', start().ends('pages').device(3), /device state before/],
    ['a foreign START', start().ends('pages').sectionStart(3, 'new'), /'new'/],
    ['a foreign START before ram', new QemuStream().magic().ends('pages').sectionStart(3, 'new'), /'new'/],
    ['a second START of ram', start().ends('pages').sectionStart(3, 'ram'), /second ram/],
    ['a PART of another section', start().ends('pages').sectionPart(3), /no START announced/],
    ['a section without footer', start().sectionPart(2).eos().ends('pages').sectionPart(2), /without footer/],
    [
      'ram of version 5',
      new QemuStream().magic().ends('pages').sectionStart(2, 'ram', 1, 5),
      /unknown version/,
    ],
    ['CONFIGURATION twice', start().ends('pages').configuration(), /not the first/],
    ['unknown section type', start().ends('pages').skeleton(Buffer.of(9, 9)), /section type/],
    ['footer of another section', start().sectionPart(2).eos().ends('pages').footer(3), /footer/],
    ['unknown flags', start().sectionPart(2).ends('pages').word(0x1400), /flags 0x400/],
    ['two flags', start().sectionPart(2).ends('pages').word(0x100a), /flags/],
    ['no flags', start().sectionPart(2).ends('pages').word(0x3000), /flags/],
    ['EOS with CONTINUE', start().sectionPart(2).ends('pages').word(0x30), /flags/],
    ['CONTINUE without a block', start().sectionPart(2).ends('pages').word(0x1028), /not named/],
    [
      'address beyond its block',
      start()
        .sectionPart(2)
        .ramPage(0, 63)
        .ends('pages')
        .word((64 << 12) | 0x28),
      /beyond the end/,
    ],
    [
      'address beyond its block, with the name of the block',
      start()
        .sectionPart(2)
        .word((64 << 12) | 8)
        .ends('pages')
        .skeleton(counted('pc.ram'), Buffer.alloc(9000)),
      /beyond the end/,
    ],
    [
      'address beyond 2^48',
      start()
        .sectionPart(2)
        .ends('pages')
        .word(2n ** 48n + 8n),
      /2\^48/,
    ],
    [
      'XBZRLE of another encoding',
      start()
        .sectionPart(2)
        .header(0, 1, 0x40)
        .ends('pages')
        .skeleton(Buffer.of(2, 0, 1)),
      /XBZRLE/,
    ],
    [
      'XBZRLE that is too long',
      start()
        .sectionPart(2)
        .header(0, 1, 0x40)
        .ends('pages')
        .skeleton(Buffer.of(1, 0x10, 1)),
      /XBZRLE/,
    ],
    [
      'compressed page that is too long',
      start().sectionPart(2).header(0, 1, 0x100).ends('pages').skeleton(u32(9000)),
      /too long/,
    ],
    [
      'blocks larger than their total',
      new QemuStream()
        .magic()
        .sectionStart(2, 'ram')
        .word(0x1004)
        .ends('pages')
        .skeleton(counted('a'), u64(0x2000)),
      /larger than their total/,
    ],
    [
      'RAM of more than 2^53 bytes',
      new QemuStream()
        .magic()
        .sectionStart(2, 'ram')
        .ends('pages')
        .word(2n ** 60n + 4n),
      /2\^53/,
    ],
    [
      'target pages of 1 KiB',
      new QemuStream().magic().configuration('a').ends('pages').skeleton(SUBSECTIONS.pageBits(10)),
      /2\^10/,
    ],
    [
      'an unknown subsection',
      new QemuStream()
        .magic()
        .configuration('a')
        .ends('pages')
        .skeleton(subsection('new', u32(1))),
      /unknown subsection/,
    ],
    [
      'a machine name that is too long',
      new QemuStream()
        .magic()
        .ends('pages')
        .skeleton(Buffer.of(7), u32(2 ** 31), Buffer.alloc(9000)),
      /CONFIGURATION/,
    ],
    [
      'too many capabilities',
      new QemuStream()
        .magic()
        .configuration('a')
        .ends('pages')
        .skeleton(subsection('capabilities', u32(2 ** 31))),
      /capabilities/,
    ],
  ];
  for (const [name, stream, because] of unknown) {
    it(`makes the rest opaque with the reason: ${name}`, () => {
      stream.skeleton(Buffer.alloc(3 * PAGE_BYTES, 0x28));
      const { bytes, expected } = stream.build();
      assert.deepEqual(found(bytes), expected);
      assert.deepEqual(found(bytes, 1), expected);
      assert.match(reason(bytes) ?? '', because);
    });
  }

  it('passes over unknown commands by their length', () => {
    const stream = new QemuStream().magic().command(0).command(99, Buffer.alloc(300, 2)).ramSetup();
    const { bytes, expected } = stream.sectionPart(2, 3).ramPage(0, 1).eos().footer(2).eof().build();
    assert.deepEqual(found(bytes, 10), expected);
    assert.equal(reason(bytes), undefined);
  });

  for (const size of [0, 2048, 3 * 2 ** 20]) {
    it(`does not take ${size} for the page size of a block`, () => {
      const blocks = BLOCKS.map((block) => ({ ...block, pageSize: size }));
      const stream = new QemuStream(1, blocks).magic().command(COMMAND.advise, adviseData());
      const bytes = stream.ramSetup({ advised: true }).build().bytes;
      assert.match(reason(bytes) ?? '', /list of RAM blocks/);
      assert.deepEqual(found(bytes, 1), found(bytes));
    });
  }

  it('reads no section behind EOF, also before the end of RAM', () => {
    const stream = new QemuStream().magic().ramSetup().eof().ends('skeleton');
    const { bytes, expected } = stream.sectionPart(2).ramPage(0, 1).eos().footer(2).build();
    assert.deepEqual(found(bytes), expected);
  });

  it('bounds the number of blocks', () => {
    const stream = new QemuStream(1, [{ name: 'a', pages: 1 }]).magic().sectionStart(2, 'ram');
    for (let i = 0; i < 4096; i++) stream.word(0x1002).skeleton(counted(`block ${i}`), Buffer.of(0));
    stream.word(0x1002).ends('pages').skeleton(counted('one more'), Buffer.alloc(9000));
    const { bytes, expected } = stream.build();
    assert.deepEqual(found(bytes), expected);
    assert.match(reason(bytes) ?? '', /too many/);
  });

  it("aligns opaque blocks to the start of the stream's file", () => {
    const bytes = Buffer.concat([Buffer.from('QEVM'), u32(3), Buffer.alloc(3 * PAGE_BYTES, 9)]);
    const { segments } = record(new QemuGrammar(4000), bytes);
    const expected = opaqueSegments(4008, 4000 + bytes.length, 'pages');
    assert.deepEqual(segments, [{ kind: 'skeleton', n: 8 + 88 }, ...expected.slice(1)]);
    assert.ok(segments.some((segment) => segment.kind === 'pages' && segment.identity === NO_IDENTITY));
  });
});

describe('qemu grammar: the way back', () => {
  const walked = (bytes: Uint8Array, recoveryBytes?: number): QemuGrammar => {
    const grammar = new QemuGrammar(0, recoveryBytes);
    record(grammar, bytes, 5000);
    return grammar;
  };

  it('says the first reason, and finds the end of the stream', () => {
    const reasons = Object.values(RECOVERED).map((build) => walked(build().bytes).opaqueBecause);
    assert.match(reasons[0]!, /device state before the end of RAM \('0000:00:03.0\/new-device-early'\)/);
    assert.match(reasons[1]!, /unknown subsection/);
    assert.match(reasons[2]!, /live section of an unknown format \('of-a-later-qemu'\)/);
    assert.match(reasons[3]!, /unknown ram flags/);
    assert.equal(reasons[4], undefined);
    for (const build of Object.values(RECOVERED)) assert.deepEqual(walked(build().bytes).end(), SEEN);
  });

  it('marks no beginning of the final part once a part was opaque', () => {
    for (const build of Object.values(RECOVERED)) assert.equal(walked(build().bytes).finalFrom, undefined);
    assert.equal(typeof walked(precopy(1).bytes).finalFrom, 'number');
  });

  it('does not call a stream broken off that was opaque in part', () => {
    const { bytes } = unknownLive(3);
    const cut = bytes.subarray(0, bytes.lastIndexOf(Buffer.concat([Buffer.of(3), u32(2)])));
    assert.equal(walked(cut).end().state, 'unseen');
    assert.equal(walked(precopy(1).bytes.subarray(0, -200)).end().state, 'incomplete');
  });

  it('looks at few bytes again, though each section before RAM has an unknown format', () => {
    const stream = new QemuStream().magic().configuration();
    for (let n = 0; n < 2000; n++) stream.sectionStart(7, 'x', 4, 2).skeleton(Buffer.alloc(20)).footer(7);
    const { bytes } = stream.build();
    type Search = (this: Buffer, what: unknown, from?: number) => number;
    const { prototype } = Buffer as unknown as { prototype: { indexOf: Search } };
    const search = prototype.indexOf;
    let searched = 0;
    prototype.indexOf = function (what, from = 0) {
      const at = search.call(this, what, from);
      searched += (at < 0 ? this.length : at) - from;
      return at;
    };
    try {
      record(new QemuGrammar(), bytes, Infinity);
    } finally {
      prototype.indexOf = search;
    }
    assert.ok(searched < 10 * bytes.length, `${searched} of ${bytes.length} bytes`);
  });

  it('gives up behind the bound', () => {
    const { bytes, expected } = unknownLive(3, 30_000);
    assert.deepEqual(record(new QemuGrammar(0, 31_000), bytes, 5000).segments, expected);
    const grammar = new QemuGrammar(0, 30_000);
    const { segments } = record(grammar, bytes, 5000);
    assert.equal(
      segments.some(({ kind, ...rest }) => kind === 'pages' && 'identity' in rest && rest.identity >= 0),
      false,
    );
    assert.equal(grammar.end().state, 'unseen');
  });

  it('stays opaque where RAM goes on behind device state, and says so', () => {
    const stream = new QemuStream().magic().ramSetup().sectionPart(2).ramPage(0, 1).eos().footer(2);
    stream.skeleton(Buffer.of(4), u32(7), counted('timer'), u32(0), u32(1), Buffer.alloc(5000)).footer(7);
    stream.sectionPart(2).ramPage(0, 2).eos().footer(2);
    const { bytes, expected } = stream.build();
    assert.deepEqual(found(bytes, 9), expected);
    assert.match(reason(bytes)!, /'timer'/);
  });

  for (const bits of [13, 14, 16]) {
    it(`finds target pages of 2^${bits} bytes that the stream does not tell`, () => {
      const stream = new QemuStream().magic().configuration('sun4u').ramSetup();
      stream.pageBytes = 2 ** bits;
      for (let round = 0; round < 8; round++) {
        stream.sectionPart(2);
        for (let page = 0; page < 8; page++) stream.ramPage(0, 8 * round + page, 1 + page);
        stream.eos().footer(2);
      }
      const blocks = [{ name: 'pc.ram', pages: 4096 }];
      const { bytes } = new QemuStream(1, blocks).magic().ramSetup().build();
      const all = Buffer.concat([
        bytes,
        stream.build().bytes.subarray(stream.build().bytes.indexOf(Buffer.concat([Buffer.of(2), u32(2)]))),
      ]);
      const identified = found(all, 5000).reduce(
        (n, s) => n + (s.kind === 'pages' && s.identity >= 0 ? s.n : 0),
        0,
      );
      assert.ok(identified >= (8 - 3) * 8 * 2 ** (bits - 12), String(identified));
    });
  }

  it('gives up where no page size fits', () => {
    const stream = new QemuStream(1, [{ name: 'a.ram', pages: 64 }]).magic().ramSetup();
    for (let page = 0; page < 64; page++) {
      stream
        .sectionPart(2)
        .word(BigInt(page * 1024) | 8n)
        .skeleton(counted('a.ram'), Buffer.alloc(1024, 3))
        .eos()
        .footer(2);
    }
    const { bytes } = stream.build();
    assert.deepEqual(found(bytes, 1), found(bytes));
    assert.match(reason(bytes)!, /flags/);
  });
});

describe('qemu grammar: flush', () => {
  it('comes after each command, EOF and the description', () => {
    const stream = new QemuStream().magic().command(COMMAND.ping, u32(1)).ramSetup();
    stream.command(COMMAND.advise, adviseData()).eof().vmDescription();
    const { bytes, expected } = stream.build();
    assert.equal(expected.filter(({ kind }) => kind === 'flush').length, 4);
    assert.deepEqual(found(bytes, 3), expected);
  });

  it('comes after the first commands only, where a stream has more than any migration', () => {
    const stream = new QemuStream().magic();
    for (let n = 0; n < MAX_FLUSHES + 100; n++) stream.command(COMMAND.ping, u32(n));
    const flushes = found(stream.ramSetup().build().bytes, 999).filter(({ kind }) => kind === 'flush');
    assert.equal(flushes.length, MAX_FLUSHES);
  });

  for (const [name, build] of Object.entries(URGENT)) {
    it(`comes after every scan, with nothing kept back: ${name}`, () => {
      const { bytes } = build();
      const grammar = new QemuGrammar();
      const recorder = new Recorder();
      let at = 0;
      while (grammar.opaqueBecause === undefined)
        at += grammar.scan(bytes.subarray(at, at + 5000), false, recorder);
      while (at < bytes.length) {
        const piece = bytes.subarray(at, at + 13);
        assert.equal(grammar.scan(piece, false, recorder), piece.length);
        assert.equal(recorder.segments.at(-1)?.kind, 'flush');
        at += piece.length;
      }
    });
  }
});

describe('qemu grammar: damaged input', () => {
  const small = (): Buffer => {
    const stream = new QemuStream(1, [
      { name: 'a', pages: 9 },
      { name: 'b', pages: 2 },
    ]);
    stream.magic().configuration('q35', [SUBSECTIONS.capabilities('x'), SUBSECTIONS.uuid()]);
    stream.command(COMMAND.advise, adviseData()).ramSetup().sectionPart(2);
    stream.ramPage(0, 1).zeroPage(0, 2).xbzrlePage(1, 0).compressedPage(0, 3, 30).word(0x200).eos().footer(2);
    return stream.sectionPart(2, 3).zeroPage(1, 1).eos().footer(2).eof().vmDescription().build().bytes;
  };

  it('covers a stream cut at any byte, in any split', () => {
    const bytes = small();
    for (let length = 0; length <= bytes.length; length++) {
      const whole = found(bytes.subarray(0, length));
      // Inside the page every 64th length is enough for the second split.
      if (length % 64 === 0 || length < 300 || length > 4396) {
        assert.deepEqual(found(bytes.subarray(0, length), 300), whole);
      }
    }
  });

  it('covers streams with any flipped bit outside the page, or one byte of any value', () => {
    const bytes = small();
    const pageAt = bytes.indexOf(Buffer.alloc(64, bytes[400]));
    for (let at = 0; at < bytes.length; at++) {
      if (at > pageAt + 8 && at < pageAt + 4080) continue;
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1 << bit;
        found(damaged);
        if (bit === at % 8)
          assert.deepEqual(withoutFlushes(found(damaged, 11)), withoutFlushes(found(damaged)));
      }
    }
  });

  it('covers arbitrary bytes behind a valid start', () => {
    const heads = [
      Buffer.alloc(0),
      new QemuStream().magic().build().bytes,
      new QemuStream().magic().configuration().build().bytes,
      new QemuStream().magic().ramSetup().sectionPart(2).zeroPage(0, 1).build().bytes,
      Buffer.concat([Buffer.from('QEVM'), u32(3), Buffer.of(8), u16(3), u16(16), adviseData()]),
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...heads),
        fc.uint8Array({ maxLength: 600 }),
        fc.nat(50),
        (head, tail, piece) => {
          const bytes = Buffer.concat([head, tail]);
          const whole = withoutFlushes(found(bytes));
          assert.deepEqual(withoutFlushes(found(bytes, piece + 1, 1)), whole);
        },
      ),
      { numRuns: 300 },
    );
  });
});
