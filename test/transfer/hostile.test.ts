// The native receiver with damaged and hostile streams: it reports the right error with its offset, and never delivers wrong bytes or
// exceeds the memory limit.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { before, describe, it } from 'node:test';

import fc from 'fast-check';

import { RamferryError, type ErrorCode, type ErrorPlace } from '../../src/errors.js';
import { MIB } from '../../src/units.js';
import { memoryLike, noise } from '../codec/support.js';
import { isTyped } from '../chunk/typed.js';
import {
  decodeStream,
  encodeStream,
  memoryReceiver,
  MemorySink,
  MemorySource,
} from './support/memory-link.js';
import {
  changedHead,
  changedRecord,
  forEachOf,
  type Parts,
  putTogether,
  takeApart,
  withWindow,
} from './support/streams.js';

const LIMIT = { timeout: 60_000 };
const CHUNK = 65_536;

function rejects(
  stream: Buffer,
  code: ErrorCode | readonly ErrorCode[],
  place: ErrorPlace = {},
): Promise<void> {
  const codes = typeof code === 'string' ? [code] : code;
  return assert.rejects(decodeStream(stream), (thrown) => {
    isTyped(...codes)(thrown);
    const error = thrown as RamferryError;
    assert.deepEqual({ ...error.place, ...place }, error.place, error.describe());
    return true;
  });
}

describe('native stream', () => {
  /** Four chunks, two of them hard to compress. */
  const bytes = Buffer.concat([memoryLike(CHUNK), noise(2 * CHUNK), Buffer.alloc(5000, 9)]);
  const other = Buffer.concat([bytes.subarray(0, CHUNK), noise(2 * CHUNK, 99), Buffer.alloc(5000, 9)]);
  let stream: Buffer;
  let parts: Parts;
  let otherParts: Parts;
  let empty: Buffer;
  let small: Buffer;

  before(async () => {
    stream = await encodeStream(bytes, { chunkSize: CHUNK });
    parts = takeApart(stream);
    otherParts = takeApart(await encodeStream(other, { chunkSize: CHUNK }));
    empty = await encodeStream(Buffer.alloc(0));
    small = await encodeStream(memoryLike(200));
    assert.equal(parts.records.length, 4);
  });

  it('decodes, in pieces of any size', LIMIT, async () => {
    for (const piece of [1, 7, 79, 4097, CHUNK]) {
      const wanted = piece === 1 ? bytes.subarray(0, 20_000) : bytes;
      const wire = piece === 1 ? await encodeStream(wanted) : stream;
      assert.ok((await decodeStream(wire, { piece })).equals(wanted), `pieces of ${piece}`);
      const head = wire.subarray(0, 8);
      assert.ok(
        (await decodeStream(wire.subarray(8), { piece, head })).equals(wanted),
        'after 8 bytes that were read',
      );
    }
  });

  it('decodes, empty input', async () => {
    assert.equal((await decodeStream(empty)).length, 0);
  });

  it('rejects with ERR_STREAM_TRUNCATED, record and offset, cut at any byte', LIMIT, async () => {
    const { head, records } = takeApart(small);
    const [record] = records;
    const ends = [head.length, head.length + record!.length, small.length];
    const cuts = [...Array(small.length).keys()].filter((cut) => cut <= ends[1]! || cut % 11 === 0);
    await forEachOf(cuts, async (cut) => {
      await rejects(small.subarray(0, cut), 'ERR_STREAM_TRUNCATED', {
        record: ends.findIndex((end) => cut < end),
        offset: cut,
      });
    });
  });

  it('rejects with a typed error, any bit of a stream without chunks flipped', LIMIT, async () => {
    await forEachOf([...Array(empty.length * 8).keys()], async (bit) => {
      const damaged = Buffer.from(empty);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await assert.rejects(decodeStream(damaged), isTyped(), `bit ${bit}`);
    });
  });

  it('rejects with a typed error, bits of every part of a stream with a chunk flipped', LIMIT, async () => {
    const bits = [...Array(small.length).keys()].filter((at) => at % 8 === 0).map((at) => at * 8 + (at % 8));
    await forEachOf(bits, async (bit) => {
      const damaged = Buffer.from(small);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await assert.rejects(
        decodeStream(damaged),
        (thrown) => {
          isTyped()(thrown);
          assert.ok((thrown as RamferryError).place.offset !== undefined);
          return true;
        },
        `bit ${bit}`,
      );
    });
  });

  it(
    'rejects with ERR_STREAM_ORDER at the first wrong record, records lost, repeated or exchanged',
    LIMIT,
    async () => {
      const { head, records, end } = parts;
      const [a, b, c, d] = records as [Buffer, Buffer, Buffer, Buffer];
      const cases: [wrong: Buffer[], record: number][] = [
        [[b, c, d], 1],
        [[a, c, d], 2],
        [[a, a, b, c, d], 2],
        [[a, b, a, c, d], 3],
        [[b, a, c, d], 1],
        [[a, b, d, c], 3],
        [[a, b, c, d, d], 5],
      ];
      await forEachOf(cases, async ([wrong, record]) => {
        const offset = head.length + wrong.slice(0, record - 1).reduce((sum, { length }) => sum + length, 0);
        await rejects(putTogether({ head, records: wrong, end }), 'ERR_STREAM_ORDER', { record, offset });
      });
    },
  );

  it('rejects at END, last chunk lost or a chunk of another stream', LIMIT, async () => {
    const { head, records, end } = parts;
    const offset = stream.length - end.length;
    await rejects(putTogether({ head, records: records.slice(0, 3), end }), 'ERR_STREAM_TOTALS', {
      record: 4,
    });
    const exchanged = records.map((record, index) => (index === 1 ? otherParts.records[1]! : record));
    assert.ok(!exchanged[1]!.equals(records[1]!));
    await rejects(putTogether({ head, records: exchanged, end }), 'ERR_STREAM_TOTALS', {
      record: 5,
      offset,
    });
    await rejects(putTogether({ head, records, end: otherParts.end }), 'ERR_STREAM_TOTALS', {
      record: 5,
      offset,
    });
    await rejects(putTogether({ head, records: [], end }), 'ERR_STREAM_TOTALS', { record: 1, offset: 64 });
  });

  it('rejects bytes behind END with ERR_STREAM_TRAILING', LIMIT, async () => {
    for (const extra of [Buffer.alloc(1), Buffer.from('more'), stream, parts.end]) {
      await rejects(Buffer.concat([stream, extra]), 'ERR_STREAM_TRAILING', { offset: stream.length });
    }
  });

  it('rejects random bytes in place of a record with ERR_STREAM_FORMAT', LIMIT, async () => {
    const { head, records, end } = parts;
    for (const type of [0, 3, 0xffff_ffff]) {
      const rubbish = Buffer.from(records[1]!);
      rubbish.writeUInt32LE(type, 0);
      const wrong = putTogether({ head, records: [records[0]!, rubbish], end });
      await rejects(wrong, 'ERR_STREAM_FORMAT', { record: 2, offset: head.length + records[0]!.length });
    }
  });

  describe('hostile lengths', () => {
    const fields: [name: string, at: number, bytes: 4 | 8, codes: readonly ErrorCode[]][] = [
      ['body', 4, 4, ['ERR_STREAM_FORMAT']],
      ['sequence', 8, 8, ['ERR_STREAM_LIMIT', 'ERR_STREAM_ORDER']],
      ['needs', 16, 8, ['ERR_STREAM_LIMIT', 'ERR_STREAM_FORMAT']],
      ['offset', 24, 8, ['ERR_STREAM_LIMIT', 'ERR_STREAM_ORDER']],
      ['decoded', 32, 4, ['ERR_STREAM_LIMIT', 'ERR_STREAM_FORMAT']],
      ['plain', 36, 4, ['ERR_STREAM_FORMAT', 'ERR_STREAM_CODEC']],
      ['operations', 40, 4, ['ERR_STREAM_FORMAT']],
      ['zero pages', 48, 4, ['ERR_STREAM_FORMAT']],
      ['literal pages', 52, 4, ['ERR_STREAM_FORMAT']],
      ['duplicate pages', 56, 4, ['ERR_STREAM_FORMAT']],
    ];
    for (const [name, at, width, codes] of fields) {
      it(`rejects at the record, ${name}`, LIMIT, async () => {
        const { head, records, end } = parts;
        const values = [2n ** 31n, 2n ** 32n - 1n, ...(width === 8 ? [2n ** 53n, 2n ** 64n - 1n] : [])];
        for (const value of values) {
          const record = changedRecord(records[0]!, (copy) =>
            width === 8 ? copy.writeBigUInt64LE(value, at) : copy.writeUInt32LE(Number(value), at),
          );
          await rejects(putTogether({ head, records: [record], end }), codes, { record: 1, offset: 64 });
        }
      });
    }

    it('allocates nothing for announced chunk size and window above the memory limit', async () => {
      const { head, records, end } = parts;
      for (const [maxChunk, window] of [
        [64 * MIB, 1],
        [64 * MIB, 256],
        [16 * MIB, 256],
      ] as const) {
        const greedy = changedHead(head, (copy) => {
          copy.writeUInt32LE(maxChunk, 20);
          copy.writeUInt32LE(window, 24);
        });
        const before = process.memoryUsage();
        await rejects(putTogether({ head: greedy, records, end }), 'ERR_STREAM_LIMIT');
        const { arrayBuffers, external } = process.memoryUsage();
        assert.ok(arrayBuffers - before.arrayBuffers < MIB && external - before.external < MIB);
      }
    });
  });

  describe('reorder window', () => {
    it('accepts records in any order within the window', LIMIT, async () => {
      const many = Buffer.concat([noise(30 * CHUNK), Buffer.alloc(10)]);
      const { head, records, end } = takeApart(await encodeStream(many, { chunkSize: CHUNK, codec: 'lz4' }));
      for (const window of [2, 3, 8]) {
        for (const seed of [1, 2]) {
          const mixed = shuffled(records, window, seed);
          assert.ok(window < 3 || mixed.some((record, index) => record !== records[index]));
          const wire = putTogether({ head: withWindow(head, window), records: mixed, end });
          assert.ok((await decodeStream(wire, { threads: 2 })).equals(many), `window ${window}`);
        }
      }
    });

    it('rejects records beyond the window, twice or missing', LIMIT, async () => {
      const { records, end } = parts;
      const [a, b, c, d] = records as [Buffer, Buffer, Buffer, Buffer];
      const cases: [window: number, wrong: Buffer[], record: number][] = [
        [2, [c, a, b, d], 1],
        [3, [b, c, d, a], 3],
        [2, [b, b, a], 2],
        [4, [b, a, c, b, d], 4],
        [4, [d, c, b], 4],
      ];
      await forEachOf(cases, async ([window, wrong, record]) => {
        const head = withWindow(parts.head, window);
        await rejects(putTogether({ head, records: wrong, end }), 'ERR_STREAM_ORDER', { record });
      });
    });

    it('checks the offset of a chunk that came early', LIMIT, async () => {
      const [a, b, c, d] = parts.records as [Buffer, Buffer, Buffer, Buffer];
      const astray = changedRecord(c, (copy) => copy.writeBigUInt64LE(BigInt(3 * CHUNK), 24));
      const head = withWindow(parts.head, 4);
      await rejects(putTogether({ head, records: [a, astray, b, d], end: parts.end }), 'ERR_STREAM_ORDER', {
        record: 2,
        offset: head.length + a.length,
        sequence: 2,
      });
    });

    it('checks the needs of a chunk', LIMIT, async () => {
      const [a, b, c, d] = parts.records as [Buffer, Buffer, Buffer, Buffer];
      const needy = changedRecord(c, (copy) => copy.writeBigUInt64LE(2n, 16));
      const head = withWindow(parts.head, 4);
      await rejects(putTogether({ head, records: [a, needy, b, d], end: parts.end }), 'ERR_STREAM_ORDER', {
        record: 2,
      });
    });
  });

  it('reports the first error in stream order, whichever chunk fails first', LIMIT, async () => {
    const { head, records, end } = parts;
    const broken = records.map((record, index) => {
      if (index === 0) return record;
      const copy = Buffer.from(record);
      copy[copy.length - 9]! ^= 1;
      return copy;
    });
    const wire = putTogether({ head, records: broken, end });
    for (const threads of [1, 4]) {
      await assert.rejects(decodeStream(wire, { threads }), (thrown) => {
        isTyped('ERR_STREAM_CHECKSUM')(thrown);
        const { record, sequence } = (thrown as RamferryError).place;
        assert.deepEqual([record, sequence], [2, 1]);
        return true;
      });
    }
  });

  it('rejects random damage with a typed error', LIMIT, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(small.length - 1), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 5,
        }),
        async (edits) => {
          const damaged = Buffer.from(small);
          for (const [at, mask] of edits) damaged[at]! ^= mask;
          if (damaged.equals(small)) return;
          await assert.rejects(decodeStream(damaged), isTyped());
        },
      ),
      { numRuns: 20 },
    );
  });

  it('abort: rejects with that error at once, in any state', LIMIT, async () => {
    for (const length of [0, 30, 100, stream.length]) {
      const source = new MemorySource(stream.subarray(0, length), Infinity, 'idles');
      const sink = new MemorySink();
      const receiver = memoryReceiver(source, sink);
      const running = receiver.run();
      const enough = new RamferryError('ERR_INTERRUPTED', 'enough');
      setTimeout(() => {
        receiver.abort(enough);
      }, 20);
      await assert.rejects(running, isTyped('ERR_INTERRUPTED', 'ERR_LINK_CLOSED'));
      assert.ok(source.closed);
      assert.ok(sink.aborted);
      assert.equal(receiver.threads.length, 0);
    }
  });
});

/** A permutation in which no record comes more than window - 1 positions early. */
function shuffled(records: readonly Buffer[], window: number, seed: number): Buffer[] {
  const waiting = [...records];
  const mixed: Buffer[] = [];
  let state = seed;
  while (waiting.length > 0) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    // The first waiting record is the expected one. Others may come at most window - 1 positions before it.
    const expected = records.indexOf(waiting[0]!);
    const reach = waiting.filter((record) => records.indexOf(record) < expected + window).length;
    mixed.push(...waiting.splice((state >> 8) % reach, 1));
  }
  return mixed;
}
