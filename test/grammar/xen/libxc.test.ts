// The Xen grammar against streams with known segments: shapes, splits, damage, hostile lengths.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createXenGrammar } from '../../../src/grammar/xen/libxc.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { bytesOf, drive, record, Recorder } from '../support/xen-recorder.js';
import {
  random,
  range,
  REC,
  TYPE,
  wellFormed,
  XenStream,
  type StreamOptions,
} from '../support/xen-streams.js';

const variants: StreamOptions[] = [
  { version: 2 },
  { version: 3 },
  { version: 3, bigEndian: true },
  { version: 2, bigEndian: true, padding: 0xee },
];

describe('Xen grammar: well-formed streams give the segments of their builder', () => {
  for (const options of variants) {
    const label = `version ${options.version}, ${options.bigEndian === true ? 'big' : 'little'}-endian`;
    for (const [name, { kind, stream }] of Object.entries(wellFormed(options))) {
      const input = stream.bytes();
      it(`${name}, ${label}: at once, in 1, 7 and 4099 bytes, and into a sink for one call`, () => {
        for (const [size, room] of [
          [Infinity, Infinity],
          [1, Infinity],
          [7, Infinity],
          [4099, Infinity],
          [Infinity, 1],
          [7, 1],
        ] as const) {
          const { segments, consumed } = record(createXenGrammar(kind), input, size, room);
          assert.deepEqual(segments, stream.segments, `pieces of ${size}, ${room} calls`);
          assert.equal(consumed, input.length);
        }
      });
    }
  }

  it('in random splits', () => {
    const streams = Object.values(wellFormed({ seed: 9 }));
    fc.assert(
      fc.property(
        fc.nat(streams.length - 1),
        fc.integer(),
        fc.integer({ min: 1, max: 4 }),
        (which, seed, room) => {
          const { kind, stream } = streams[which]!;
          const next = random(seed);
          const recorder = new Recorder(room);
          // Mostly small pieces, now and then several pages.
          const size = () => 1 + (next() % (next() % 8 === 0 ? 20000 : 300));
          drive(createXenGrammar(kind), stream.bytes(), size, recorder);
          assert.deepEqual(recorder.segments, stream.segments);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('Xen grammar: the end of a bare stream', () => {
  it('takes no byte behind END', () => {
    const input = new XenStream().pvGuest().bytes();
    const more = Buffer.concat([input, Buffer.from('not ours')]);
    for (const size of [1, 5, Infinity]) {
      const grammar = createXenGrammar('libxc');
      assert.equal(record(grammar, more, size).consumed, input.length);
      assert.equal(grammar.state, 'done');
      assert.equal(grammar.opaqueBecause, undefined);
    }
  });

  it('ends after reads of at most mayRead bytes', () => {
    for (const most of [3, 5000, Infinity]) {
      const input = new XenStream().pvGuest().bytes();
      const grammar = createXenGrammar('libxc');
      const sink = new Recorder();
      let [consumed, read] = [0, 0];
      while (grammar.state === 'open') {
        const may = grammar.mayRead ?? Infinity;
        assert.ok(may > 0, 'there is always something that may be read');
        read += Math.min(may, most);
        assert.ok(read <= input.length, 'nothing is promised beyond END');
        consumed += grammar.scan(input.subarray(consumed, read), false, sink);
      }
      assert.equal(consumed, input.length);
      assert.equal(read, input.length);
      assert.equal(grammar.mayRead, 0);
    }
  });

  it('continues after CHECKPOINT with records of libxl or libxc, up to END', () => {
    for (const withLibxl of [true, false]) {
      const stream = new XenStream().image({ type: 2 }).pageData(range(4, 2)).checkpoint();
      if (withLibxl) stream.libxlCheckpoint();
      stream.pageData(range(9, 1)).end();
      const grammar = createXenGrammar('libxc');
      assert.deepEqual(record(grammar, stream.bytes(), 3).segments, stream.segments);
      assert.equal(grammar.state, 'done');
    }
  });

  it('ends after CHECKPOINT with atCheckpoint: stop, and flushes it', () => {
    const stream = new XenStream().image({ type: 2 }).pageData(range(4, 2)).checkpoint();
    const more = Buffer.concat([stream.bytes(), Buffer.alloc(64, 1)]);
    const grammar = createXenGrammar('libxc', { atCheckpoint: 'stop' });
    assert.deepEqual(record(grammar, more).segments, stream.segments);
    assert.equal(grammar.state, 'done');
  });

  it('stays open behind the end of a wrapping', () => {
    for (const { kind, stream } of Object.values(wellFormed())) {
      if (kind === 'libxc') continue;
      const grammar = createXenGrammar(kind);
      record(grammar, stream.bytes());
      assert.equal(grammar.state, 'open');
    }
  });
});

describe('Xen grammar: flush', () => {
  it('follows in the scan of the last byte', () => {
    const stream = new XenStream().remusGuest();
    const input = stream.bytes();
    const grammar = createXenGrammar('libxl');
    const recorder = new Recorder();
    const flushedAt: number[] = [];
    let consumed = 0;
    for (let fed = 1; fed <= input.length; fed += 1) {
      const before = recorder.segments.filter(({ kind }) => kind === 'flush').length;
      consumed += grammar.scan(input.subarray(consumed, fed), false, recorder);
      const after = recorder.segments.filter(({ kind }) => kind === 'flush').length;
      if (after > before) flushedAt.push(fed);
    }
    let offset = 0;
    const expected: number[] = [];
    for (const segment of stream.segments) {
      offset += bytesOf(segment);
      if (segment.kind === 'flush') expected.push(offset);
    }
    assert.deepEqual(flushedAt, expected);
  });

  it("follows COLO's states between records of libxc", () => {
    const stream = new XenStream().libxlHeader().libxcContext().image({ type: 2 }).pageData(range(1, 1));
    stream.record(5, stream.u32(0)).flush().pageData(range(2, 1)).checkpoint().libxlCheckpoint();
    stream.record(5, stream.u32(3)).flush().pageData(range(3, 1)).end().libxlEnd();
    assert.deepEqual(record(createXenGrammar('libxl'), stream.bytes(), 11).segments, stream.segments);
  });
});

describe('Xen grammar: identities of pages', () => {
  it('reports available pages with consecutive pfns in one call', () => {
    const input = new XenStream().image().pageData(range(100, 1024)).bytes();
    const recorder = new Recorder();
    createXenGrammar('libxc').scan(input, false, recorder);
    const pages = recorder.segments.filter(({ kind }) => kind === 'pages');
    assert.deepEqual(pages, [{ kind: 'pages', n: 1024, identity: 100 }]);
    assert.ok(recorder.calls <= 10);
  });

  it('skips absent entries, ignores reserved bits, and keeps all 52 bits of a pfn', () => {
    const stream = new XenStream();
    stream.image();
    const entry = (type: bigint, reserved: bigint, pfn: bigint) =>
      stream.u64((type << 60n) | (reserved << 52n) | pfn);
    const body = Buffer.concat([
      stream.u32(5, 0),
      entry(0n, 0xffn, 7n),
      entry(0xfn, 0n, 8n),
      entry(0n, 0n, 8n),
      entry(9n, 1n, 2n ** 52n - 1n),
      entry(0n, 0n, 0n),
      stream.noise(4 * PAGE_BYTES),
    ]);
    const { segments } = record(
      createXenGrammar('libxc'),
      Buffer.concat([stream.bytes(), stream.u32(1, body.length), body]),
    );
    assert.deepEqual(
      segments.filter(({ kind }) => kind === 'pages'),
      [
        { kind: 'pages', n: 2, identity: 7 },
        { kind: 'pages', n: 1, identity: 2 ** 52 - 1 },
        { kind: 'pages', n: 1, identity: 0 },
      ],
    );
  });

  it('remembers a record larger than the saver writes, in runs of one page', () => {
    const entries = Array.from({ length: 3000 }, (_, i) => ({ pfn: 10_000 - 2 * i, type: TYPE.normal }));
    const stream = new XenStream().image().pageData(entries).pageData(range(1, 3)).end();
    assert.deepEqual(record(createXenGrammar('libxc'), stream.bytes()).segments, stream.segments);
  });
});

describe('Xen grammar: invalid PAGE_DATA', () => {
  const s = new XenStream();
  const entry = (type: number, pfn: number) => s.u64((BigInt(type) << 60n) | BigInt(pfn));
  const bodies: Record<string, Buffer> = {
    'without a count': Buffer.alloc(4),
    empty: Buffer.alloc(0),
    'of no entries': s.u32(0, 0),
    'of more entries than it holds': Buffer.concat([
      s.u32(3, 0),
      entry(TYPE.invalid, 1),
      entry(TYPE.invalid, 2),
    ]),
    'of absurdly many entries': Buffer.concat([s.u32(0xffffffff, 0), Buffer.alloc(10_000)]),
  };
  for (const [name, body] of Object.entries(bodies)) {
    it(`reports marked skeleton and no further pages up to END: ${name}`, () => {
      const bad = new XenStream().image().pageData(range(1, 2)).pageDataSkeleton(body);
      const later = new XenStream()
        .image()
        .pageData(range(1, 2))
        .bytes()
        .subarray(40 + 8);
      bad.pageDataSkeleton(later).end();
      const input = Buffer.concat([bad.bytes(), Buffer.alloc(30_000, 1)]);
      for (const size of [5, 20_000]) {
        const grammar = createXenGrammar('libxc');
        assert.deepEqual(record(grammar, input, size).segments, bad.segments);
        assert.match(grammar.opaqueBecause ?? '', /PAGE_DATA/);
        assert.equal(grammar.state, 'done');
      }
    });
  }

  const entriesThatFail: Record<string, [Buffer, number]> = {
    'a reserved page type 5': [
      Buffer.concat([s.u32(2, 0), entry(0, 1), entry(5, 2), s.noise(2 * PAGE_BYTES)]),
      1,
    ],
    'a reserved page type 8': [
      Buffer.concat([s.u32(2, 0), entry(0, 1), entry(8, 2), s.noise(2 * PAGE_BYTES)]),
      1,
    ],
    'pages for more than it holds': [
      Buffer.concat([s.u32(2, 0), entry(0, 1), entry(0, 2), s.noise(2 * PAGE_BYTES - 1)]),
      1,
    ],
    'pages for less than it holds': [
      Buffer.concat([s.u32(2, 0), entry(0, 1), entry(15, 2), s.noise(3 * PAGE_BYTES)]),
      2,
    ],
  };
  for (const [name, [body, believed]] of Object.entries(entriesThatFail)) {
    it(`reports words up to the invalid entry, then skeleton, and follows the records: ${name}`, () => {
      const stream = new XenStream().image();
      stream.note({ kind: 'pageData', inside: true }).skeleton(stream.u32(REC.pageData, body.length));
      stream.skeleton(body.subarray(0, 8)).note({ kind: 'words', n: believed, bigEndian: false });
      const start = stream.bytes();
      const rest = body.subarray(8 + 8 * believed);
      const padding = Buffer.alloc(-body.length & 7);
      stream.skeleton(rest).skeleton(padding).note({ kind: 'pageData', inside: false }).bareEnd();
      const end = stream.bytes().subarray(start.length);
      const input = Buffer.concat([start, body.subarray(8, 8 + 8 * believed), end, Buffer.alloc(30_000, 1)]);
      // One piece holds the whole record and more: the grammar must not keep any of it back.
      for (const size of [1, 9, 20_000, Infinity]) {
        const grammar = createXenGrammar('libxc');
        assert.deepEqual(record(grammar, input, size).segments, stream.segments);
        assert.match(grammar.opaqueBecause ?? '', /PAGE_DATA/);
        assert.equal(grammar.state, 'done');
      }
    });
  }

  it('keeps no body back in a piece larger than MAX_LOOKAHEAD', () => {
    const bad = new XenStream().image().pageDataSkeleton(bodies['of absurdly many entries']!);
    const recorder = new Recorder();
    let first = true;
    const size = () => (first ? ((first = false), 40 + 8) : 10_000);
    drive(createXenGrammar('libxc'), Buffer.concat([bad.bytes(), Buffer.alloc(9)]), size, recorder);
    assert.deepEqual(recorder.segments.slice(0, 3), bad.segments.slice(0, 3));
  });

  it('bounds its memory by one record', () => {
    // A claimed body of 128 MiB, with as many entries as leave room for their pages, or for none; no two are consecutive.
    const claim = (pages: boolean) => {
      const length = 128 * 1024 * 1024;
      const stream = new XenStream().image();
      const count = pages ? 32_700 : length / 8 - 1;
      return Buffer.concat([stream.bytes(), stream.u32(REC.pageData, length, count, 0)]);
    };
    const entries = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < entries.length; i += 8)
      entries.writeBigUInt64LE(BigInt((i * 2654435761) % 2 ** 40), i);
    for (const pages of [true, false]) {
      const grammar = createXenGrammar('libxc');
      const sink = new Recorder();
      assert.ok(grammar.scan(claim(pages), false, sink) > 0);
      const before = process.memoryUsage().arrayBuffers;
      for (let i = 0; i < 64; i += 1) {
        let at = 0;
        while (at < entries.length) {
          const taken = grammar.scan(entries.subarray(at), false, sink);
          if (taken === 0) break;
          at += taken;
        }
      }
      assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
    }
  });
});

describe('Xen grammar: unknown headers end the walk', () => {
  const lost = (input: Buffer, because: RegExp, from: number) => {
    for (const size of [1, 4097, Infinity]) {
      const grammar = createXenGrammar('libxc');
      const { segments } = record(grammar, input, size);
      assert.match(grammar.opaqueBecause ?? '', because);
      assert.equal(grammar.state, 'open');
      const last = segments.at(-1)!;
      assert.equal(last.kind, 'skeleton');
      assert.ok(bytesOf(last) >= input.length - from, 'from the unknown on all is skeleton');
    }
  };

  it('page_shift other than 12', () => {
    const input = new XenStream().image({ pageShift: 16 }).pageData(range(0, 2)).end().bytes();
    lost(input, /page_shift 16/, 24);
  });
  it('unknown version', () => {
    lost(new XenStream({ version: 4 }).image().pageData(range(0, 2)).end().bytes(), /version 4/, 0);
  });
  it('another marker', () => {
    const input = new XenStream().pvGuest().bytes();
    input[3] = 0;
    lost(input, /image header/, 0);
  });
  it('a record longer than libxc allows', () => {
    const start = new XenStream().image().pageData(range(0, 2));
    const from = start.length;
    const input = Buffer.concat([
      start.bytes(),
      start.u32(REC.hvmContext, 128 * 1024 * 1024 + 1),
      new XenStream().pvGuest().bytes(),
    ]);
    lost(input, /record 1 of 134217729 bytes/, from);
  });
  it('an end inside a header', () => {
    const input = new XenStream().pvGuest().bytes();
    lost(input.subarray(0, 11), /ends inside/, 0);
    lost(input.subarray(0, input.length - 1), /ends inside/, input.length - 8);
  });
});

describe('Xen grammar: damaged input', () => {
  it('covers a stream cut at any byte, with the pages of the complete stream', () => {
    for (const name of ['remus', 'xenopsd', 'xl'] as const) {
      const { kind, stream } = wellFormed()[name]!;
      const input = stream.bytes();
      const wholePages = stream.segments.filter(({ kind: k }) => k === 'pages').length;
      // Every offset near a boundary; one in 61 inside pages.
      for (let cut = 0; cut < input.length; cut += cut % PAGE_BYTES < 600 ? 1 : 61) {
        const { segments, consumed } = record(createXenGrammar(kind), input.subarray(0, cut));
        assert.equal(consumed, cut);
        assert.ok(segments.filter(({ kind: k }) => k === 'pages').length <= wholePages);
      }
    }
  });

  it('gives the same segments in any split of a stream cut at any byte', () => {
    const stream = new XenStream().libxlHeader().libxcContext().image().record(REC.pvInfo, Buffer.alloc(5));
    stream
      .pageData(range(3, 2, TYPE.invalid))
      .checkpoint()
      .libxlCheckpoint()
      .end()
      .libxlEnd();
    const input = stream.bytes();
    for (let cut = 0; cut <= input.length; cut += 1) {
      const piece = input.subarray(0, cut);
      const whole = record(createXenGrammar('libxl'), piece).segments;
      assert.deepEqual(record(createXenGrammar('libxl'), piece, 1).segments, whole);
      assert.deepEqual(record(createXenGrammar('libxl'), piece, 7, 2).segments, whole);
    }
  });

  it('covers streams with flipped bits, with the same segments in any split', () => {
    const streams = Object.values(wellFormed({ seed: 5 })).map(({ kind, stream }) => ({
      kind,
      input: stream.bytes(),
    }));
    fc.assert(
      fc.property(
        fc.nat(streams.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(7, 1000, 8192),
        (which, flips, size) => {
          const { kind, input } = streams[which]!;
          const damaged = Buffer.from(input);
          // Half of the flips hit the first 300 bytes, where headers are dense.
          for (const [at, bit] of flips) {
            damaged[at % (at % 2 === 0 ? input.length : Math.min(300, input.length))]! ^= 1 << bit;
          }
          const one = createXenGrammar(kind);
          const two = createXenGrammar(kind);
          assert.deepEqual(record(one, damaged, size).segments, record(two, damaged).segments);
          assert.equal(one.state, two.state);
          assert.equal(one.opaqueBecause, two.opaqueBecause);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('covers arbitrary bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.constantFrom('libxc', 'libxl', 'xl', 'xenopsd'),
        (tail, kind) => {
          const start = {
            libxc: new XenStream().image(),
            libxl: new XenStream().libxlHeader(),
            xl: new XenStream().xlHeader(),
            xenopsd: new XenStream().xenopsdSignature(),
          }[kind];
          for (const input of [Buffer.from(tail), Buffer.concat([start.bytes(), tail])]) {
            record(createXenGrammar(kind), input, 3);
          }
        },
      ),
    );
  });
});
