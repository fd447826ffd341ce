// QEMU streams from the tests' own builder: pages, their identities, and where the walk ends.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NO_IDENTITY } from '../../../src/grammar/grammar.js';
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
  counted,
  foreignSection,
  listening,
  mappedRam,
  oldMachine,
  opaqueSegments,
  postcopy,
  precopy,
  subsection,
  u16,
  u32,
  u64,
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
  'a section of VFIO': () => foreignSection(6),
  'mapped-ram of several blocks': () => mappedRam(false),
  'mapped-ram of one block': () => mappedRam(true),
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
  for (const [name, build] of Object.entries(STREAMS)) {
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
    for (const build of [precopy, oldMachine, withCapabilities])
      assert.equal(reason(build().bytes), undefined);
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
    ['a foreign START', start().ends('pages').sectionStart(3, 'vfio'), /second live section/],
    [
      'a foreign START before ram',
      new QemuStream().magic().ends('pages').sectionStart(3, 'vfio'),
      /other than ram/,
    ],
    ['a PART of another section', start().ends('pages').sectionPart(3), /other than ram/],
    [
      'ram of version 5',
      new QemuStream().magic().ends('pages').sectionStart(2, 'ram', 1, 5),
      /unknown version/,
    ],
    ['CONFIGURATION twice', start().ends('pages').configuration(), /not the first/],
    ['unknown section type', start().ends('pages').skeleton(Buffer.of(9, 9)), /section type/],
    ['unknown command', start().ends('pages').command(12), /unknown command/],
    ['command 0', start().ends('pages').command(0), /unknown command/],
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
      'page bits other than 12',
      new QemuStream().magic().configuration('a').ends('pages').skeleton(SUBSECTIONS.pageBits(13)),
      /4096/,
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

  for (const oneBlock of [true, false]) {
    it(`recognises mapped-ram with ${oneBlock ? 'one block' : 'several blocks'}`, () => {
      assert.equal(reason(mappedRam(oneBlock).bytes), 'mapped-ram');
    });
  }

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

describe('qemu grammar: flush', () => {
  it('comes after each command, EOF and the description', () => {
    const stream = new QemuStream().magic().command(COMMAND.ping, u32(1)).ramSetup();
    stream.command(COMMAND.advise, adviseData()).eof().vmDescription();
    const { bytes, expected } = stream.build();
    assert.equal(expected.filter(({ kind }) => kind === 'flush').length, 4);
    assert.deepEqual(found(bytes, 3), expected);
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
