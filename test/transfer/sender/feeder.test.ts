// The feeder with every kind of stream. The same stream gives the same chunks in any split into reads. A stall loses and repeats no
// byte, and the bytes that have arrived are sent within the flush delay.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it, mock } from 'node:test';

import fc from 'fast-check';

import { MAX_SEGMENTS } from '../../../src/chunk/segments.js';
import { grammarFor, type StreamKind } from '../../../src/grammar/detect.js';
import type { Grammar, SegmentSink, StreamEnd } from '../../../src/grammar/grammar.js';
import * as qemu from '../../grammar/support/qemu-streams.js';
import { range, wellFormed, XenStream } from '../../grammar/support/xen-streams.js';
import { noise } from '../../codec/support.js';
import { type Event, feed, joined, shapes } from '../support/feeding.js';

interface Stream {
  readonly name: string;
  readonly kind: StreamKind;
  readonly bytes: Buffer;
  /** Postcopy pages are sent at once after each read, so the chunks depend on the reads. */
  readonly urgent?: boolean;
}

const raw = Buffer.concat([Buffer.alloc(40_960), noise(50_000), Buffer.alloc(8192), noise(70_001, 5)]);

const streams: readonly Stream[] = [
  { name: 'raw', kind: 'raw', bytes: raw },
  { name: 'opaque', kind: 'opaque', bytes: raw.subarray(0, 100_003) },
  { name: 'empty', kind: 'opaque', bytes: Buffer.alloc(0) },
  { name: 'one byte', kind: 'raw', bytes: Buffer.alloc(1, 7) },
  { name: 'qemu precopy', kind: 'qemu', bytes: qemu.precopy(3, 3, 14).bytes },
  { name: 'qemu postcopy', kind: 'qemu', bytes: qemu.postcopy(2).bytes, urgent: true },
  { name: 'qemu with sections of VFIO', kind: 'qemu', bytes: qemu.vfio(4).bytes },
  { name: 'qemu with sections of an unknown format', kind: 'qemu', bytes: qemu.unknownLive(4).bytes },
  { name: 'qemu cut off', kind: 'qemu', bytes: qemu.precopy(5).bytes.subarray(0, 60_011) },
  ...Object.entries(wellFormed({ seed: 4 })).map(([name, { kind, stream }]) => ({
    name: `xen ${name}`,
    kind,
    bytes: stream.bytes(),
  })),
  {
    name: 'xen with many pages',
    kind: 'libxc',
    bytes: new XenStream({ seed: 6 })
      .image({ type: 2 })
      .pageData(range(0, 30))
      .pageData(range(99, 9))
      .end()
      .bytes(),
  },
];

const which = fc.nat(streams.length - 1);
const CHUNK_SIZES = [16_384, 20_480, 65_536] as const;
/** Small and large pieces mixed. Streams of only small pieces have a test of their own. */
const sizes = fc
  .tuple(
    fc.integer({ min: 2000, max: 100_000 }),
    fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9000 })), { maxLength: 15 }),
  )
  .map(([large, rest]) => [...rest, large]);

/** Repeats the sizes without end. */
function* repeated(pieces: readonly number[]): Generator<Event> {
  for (;;) for (const bytes of pieces) yield { bytes };
}

describe('StreamFeeder, any split into reads', () => {
  for (const regions of [false, true]) {
    it(`gives the same chunks${regions ? ', cut where page data and other records meet' : ''}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          which,
          fc.constantFrom(...CHUNK_SIZES),
          sizes,
          fc.nat(32),
          async (at, chunkSize, split, ahead) => {
            const { kind, bytes, name, urgent } = streams[at]!;
            const whole = await feed({
              grammar: grammarFor(kind),
              input: bytes,
              events: [],
              chunkSize,
              regions,
            });
            const input = bytes;
            const head = Math.min(ahead, input.length, whole.read);
            const events = repeated(split);
            const parts = await feed({ grammar: grammarFor(kind), input, events, chunkSize, regions, head });
            if (urgent !== true) assert.deepEqual(shapes(parts.chunks), shapes(whole.chunks), name);
            assert.ok(
              joined(parts.chunks).equals(bytes.subarray(0, parts.read)),
              `${name}: nothing lost or doubled`,
            );
          },
        ),
        { numRuns: 150 },
      );
    });
  }

  it('gives the same chunks, byte by byte', async () => {
    for (const { kind, bytes, name, urgent } of streams) {
      if (urgent === true) continue;
      const input = bytes.subarray(0, 20_000);
      const whole = await feed({ grammar: grammarFor(kind), input, events: [], chunkSize: 16_384 });
      const events = repeated([1]);
      const parts = await feed({ grammar: grammarFor(kind), input, events, chunkSize: 16_384 });
      assert.deepEqual(shapes(parts.chunks), shapes(whole.chunks), name);
      assert.ok(joined(parts.chunks).equals(joined(whole.chunks)), name);
    }
  });

  it('reads a bare libxc stream exactly to its END', async () => {
    const stream = wellFormed()['pv']!.stream.bytes();
    const input = Buffer.concat([stream, Buffer.from('what another reads')]);
    for (const size of [1, 7, 4096, 1 << 20]) {
      const { read, chunks } = await feed({
        grammar: grammarFor('libxc'),
        input,
        events: repeated([size]),
        chunkSize: 16_384,
      });
      assert.equal(read, stream.length);
      assert.ok(joined(chunks).equals(stream));
    }
  });

  it('reads a bare libxc stream from a file in whole chunks, and leaves out bytes behind END', async () => {
    const stream = wellFormed()['pv']!.stream.bytes();
    for (const behind of [0, 5, 40_000]) {
      const grammar = grammarFor('libxc');
      const input = Buffer.concat([stream, Buffer.alloc(behind, 1)]);
      let reads = 0;
      const events = (function* (): Generator<Event> {
        for (; ; reads++) yield { bytes: Infinity };
      })();
      const { chunks } = await feed({ grammar, input, events, chunkSize: 65_536, file: true });
      assert.ok(joined(chunks).equals(stream));
      assert.ok(reads <= Math.ceil(input.length / 65_536) + chunks.length, `${reads} reads`);
    }
  });
});

const DELAY = 50;

/** Pieces and stalls. A stall lasts the flush delay or longer, or ends shortly before it. */
const unsteady: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    fc
      .oneof(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.constantFrom(8, 4096, 4104, 8192),
      )
      .map((bytes) => ({ bytes })),
    fc.constantFrom({ stall: DELAY }, { stall: 3 * DELAY }, { stall: DELAY - 1 }, { stall: 1 }),
  ),
  { minLength: 1, maxLength: 60 },
);

describe('StreamFeeder, stalled stream', () => {
  for (const regions of [false, true]) {
    it(`sends every byte once${regions ? ', regions kept apart' : ''}`, async () => {
      mock.timers.enable({ apis: ['setTimeout'] });
      try {
        await fc.assert(
          fc.asyncProperty(
            which,
            fc.constantFrom(...CHUNK_SIZES),
            unsteady,
            async (at, chunkSize, events) => {
              const { kind, bytes, name } = streams[at]!;
              const { chunks, read } = await feed({
                grammar: grammarFor(kind),
                input: bytes,
                events,
                chunkSize,
                regions,
                flushAfter: DELAY,
                clock: mock.timers,
              });
              assert.ok(joined(chunks).equals(bytes.subarray(0, read)), name);
              assert.ok(
                read === bytes.length || grammarFor(kind).mayRead !== undefined || kind !== 'opaque',
                name,
              );
            },
          ),
          { numRuns: 300 },
        );
      } finally {
        mock.timers.reset();
      }
    });
  }

  it('sends all arrived bytes within the delay, incomplete items included', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      await fc.assert(
        fc.asyncProperty(which, unsteady, async (at, events) => {
          const { kind, bytes, name } = streams[at]!;
          await feed({
            grammar: grammarFor(kind),
            input: bytes,
            events: events.map((event) => ('stall' in event ? { stall: DELAY } : event)),
            chunkSize: 65_536,
            flushAfter: DELAY,
            clock: mock.timers,
            afterStall: (arrived, left) => {
              assert.equal(left, arrived, name);
            },
          });
        }),
        { numRuns: 300 },
      );
    } finally {
      mock.timers.reset();
    }
  });

  it('keeps arrived bytes while an earlier chunk waits for a worker', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const { kind, bytes } = streams[0]!;
      let stalls = 0;
      const leftAfter: number[] = [];
      await feed({
        grammar: grammarFor(kind),
        input: bytes.subarray(0, 9000),
        events: [{ bytes: 3000 }, { stall: DELAY }, { stall: DELAY }, { bytes: 1000 }, { stall: DELAY }],
        chunkSize: 65_536,
        flushAfter: DELAY,
        clock: mock.timers,
        hasBacklog: () => stalls < 2,
        afterStall: (_arrived, left) => {
          stalls++;
          leftAfter.push(left);
        },
      });
      assert.deepEqual(leftAfter, [0, 0, 4000]);
    } finally {
      mock.timers.reset();
    }
  });

  it('sends an item piece by piece, repeated stalls within it', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      for (const { kind, bytes, name } of streams) {
        const input = bytes.subarray(0, 12_000);
        const events = Array.from({ length: 900 }, (_, index) =>
          index % 2 === 0 ? { bytes: 1 + ((index * 7) % 50) } : { stall: DELAY },
        );
        const { chunks } = await feed({
          grammar: grammarFor(kind),
          input,
          events,
          chunkSize: 16_384,
          flushAfter: DELAY,
          clock: mock.timers,
        });
        assert.ok(joined(chunks).equals(input.subarray(0, joined(chunks).length)), name);
      }
    } finally {
      mock.timers.reset();
    }
  });
});

/** A grammar of words and single bytes in turn: each is a segment of its own, and an item of nine bytes waits until it is complete. */
class Fragments implements Grammar {
  readonly name = 'opaque';
  readonly state = 'open';
  readonly opaqueBecause = undefined;

  end(): StreamEnd {
    return { state: 'unseen', because: 'a test' };
  }

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    let at = 0;
    const room = (): boolean => !out.full;
    while (data.length - at >= 9 && room()) {
      out.words(1, false);
      out.skeleton(1);
      at += 9;
    }
    if (atEnd && room() && at < data.length && data.length - at < 9) {
      out.skeleton(data.length - at);
      at = data.length;
    }
    return at;
  }
}

describe('StreamFeeder, more segments than a chunk can have', () => {
  const input = Buffer.from(noise(9 * (2 * MAX_SEGMENTS + 1000) + 4));

  it('cuts where the next segment would begin, any split', async () => {
    const options = { input, chunkSize: 1 << 20 };
    const whole = await feed({ ...options, grammar: new Fragments(), events: [] });
    assert.ok(whole.chunks.length >= 4);
    assert.equal(whole.chunks[0]!.cut.segments, MAX_SEGMENTS);
    assert.ok(joined(whole.chunks).equals(input));
    for (const split of [[1000], [9 * (MAX_SEGMENTS / 2), 1], [123_456, 5]]) {
      const parts = await feed({ ...options, grammar: new Fragments(), events: repeated(split) });
      assert.deepEqual(shapes(parts.chunks), shapes(whole.chunks));
      assert.ok(joined(parts.chunks).equals(input));
    }
  });

  it('sends every byte once, stall at that cut within an item', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      for (let rest = 0; rest < 9; rest++) {
        for (const before of [MAX_SEGMENTS / 2 - 1, MAX_SEGMENTS / 2, MAX_SEGMENTS / 2 + 1]) {
          const events = [
            { bytes: 9 * before + rest },
            { stall: DELAY },
            { stall: DELAY },
            { bytes: 3 },
            { stall: DELAY },
          ];
          const { chunks } = await feed({
            grammar: new Fragments(),
            input,
            events,
            chunkSize: 1 << 20,
            flushAfter: DELAY,
            clock: mock.timers,
          });
          assert.ok(joined(chunks).equals(input), `${before} items and ${rest} bytes`);
        }
      }
    } finally {
      mock.timers.reset();
    }
  });
});
