// The receiver of Xen streams: it reports damage anywhere in a compressed stream, reads a bare stream exactly to its END, and passes a
// stream without ramferry's records on unchanged.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { XENGUEST_RECORD } from '../../../src/container/xenguest.js';
import { MARK_RECORD_BYTES } from '../../../src/container/xenguest-mark.js';
import { LIBXC_RECORD } from '../../../src/grammar/xen/libxc-format.js';
import { XenWalk } from '../../../src/grammar/xen/wrapping.js';
import type { XenKind } from '../../../src/grammar/xen/wrapping.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { MIB } from '../../../src/units.js';
import { range, REC, wellFormed, XenStream } from '../../grammar/support/xen-streams.js';
import { smallXenStream, smallXlStream } from '../support/streams-corpus.js';
import {
  CollectingSink,
  detect,
  failsWith,
  failureOf,
  pack,
  packInto,
  PiecewiseSource,
  receiving,
  unpack,
  WatchedSink,
} from '../support/streams-support.js';

const END_BYTES = 8;

/** Positions of the records of a stream: [start, end) with padding. */
function records(bytes: Buffer, kind: XenKind = 'libxc'): { type: number; start: number; end: number }[] {
  const found: { type: number; start: number; end: number }[] = [];
  new XenWalk(kind).scan(bytes, true, {
    full: false,
    between: () => undefined,
    flush: () => undefined,
    begin: ({ type, offset, length }) =>
      void found.push({ type, start: offset, end: offset + 8 + Math.ceil(length / 8) * 8 }),
    body: (_, __, start, end) => end - start,
    padding: () => undefined,
    end: () => undefined,
  });
  return found;
}

const without = (bytes: Buffer, { start, end }: { start: number; end: number }): Buffer =>
  Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);

/** The bytes that a receiver delivers before it fails. */
async function deliveredBeforeFailing(stream: Buffer): Promise<Buffer> {
  const sink = new CollectingSink();
  await failureOf(receiving(new PiecewiseSource(stream), sink, 'libxc').run());
  return sink.bytes;
}

describe('receiver, damaged compressed stream', () => {
  const samples: Record<string, { kind: XenKind; bytes: Buffer }> = {
    'a bare stream': { kind: 'libxc', bytes: smallXenStream() },
    'a stream in an xl wrapping': { kind: 'xl', bytes: smallXlStream() },
    'a stream without pages': {
      kind: 'libxc',
      bytes: new XenStream().image().record(REC.hvmParams, Buffer.alloc(9, 3)).end().bytes(),
    },
  };
  for (const [name, { kind, bytes }] of Object.entries(samples)) {
    it(`rejects any flipped bit: ${name}`, async () => {
      const packed = await pack(bytes, { kind, codec: 'lz4' });
      // One bit in every 17th byte, each bit in turn: every run starts threads, so all bits would take too long.
      for (let at = 0; at < packed.length; at += 17) {
        const damaged = Buffer.from(packed);
        damaged[at]! ^= 1 << (at & 7);
        if (detect(damaged) === 'opaque') continue; // refused before a receiver is made
        await failureOf(unpack(damaged));
      }
    });

    it(`rejects a cut at any position: ${name}`, async () => {
      const packed = await pack(bytes, { kind, codec: 'lz4' });
      for (let end = packed.length - 1; end > 32; end -= end > packed.length - 90 ? 11 : 31) {
        await failureOf(unpack(packed.subarray(0, end)));
      }
    });
  }

  it('delivers no END, damaged totals', async () => {
    const bytes = smallXenStream();
    const packed = await pack(bytes, { codec: 'lz4' });
    const totals = records(packed).find(({ type }) => type === XENGUEST_RECORD.totals)!;
    for (const at of [totals.start, totals.start + 8, totals.start + 20, totals.end - 9, totals.end - 1]) {
      const damaged = Buffer.from(packed);
      damaged[at]! ^= 0x10;
      const delivered = await deliveredBeforeFailing(damaged);
      assert.ok(delivered.length <= bytes.length - END_BYTES + (totals.end - totals.start));
      assert.ok(!delivered.subarray(-END_BYTES).equals(Buffer.alloc(END_BYTES)), 'no END was delivered');
    }
  });

  it('delivers only the bytes before the damaged chunk', async () => {
    const bytes = new XenStream().pvGuest().bytes();
    const packed = await pack(bytes, { codec: 'lz4' });
    const chunk = records(packed).find(({ type }) => type === XENGUEST_RECORD.chunk)!;
    const damaged = Buffer.from(packed);
    damaged[chunk.start + 500]! ^= 1;
    const delivered = await deliveredBeforeFailing(damaged);
    assert.ok(delivered.equals(bytes.subarray(0, chunk.start - MARK_RECORD_BYTES)));
  });
});

describe('receiver, compressed records out of order', () => {
  const input = new XenStream().image().pageData(range(0, 40)).record(REC.hvmContext, Buffer.alloc(8));
  const bytes = input.pageData(range(50, 2)).end().bytes();

  it('rejects a missing, repeated or exchanged record', async () => {
    const packed = await pack(bytes, { codec: 'none' });
    const [first, second, ...rest] = records(packed).filter(({ type }) => type === XENGUEST_RECORD.chunk);
    assert.ok(first !== undefined && second !== undefined && rest.length === 2);
    const last = rest.at(-1)!;
    const copy = (place: typeof first): Buffer => packed.subarray(place.start, place.end);
    await failsWith(unpack(without(packed, first)), 'ERR_STREAM_ORDER');
    await failsWith(unpack(without(packed, last)), 'ERR_STREAM_TOTALS');
    const doubled = Buffer.concat([packed.subarray(0, first.end), copy(first), packed.subarray(first.end)]);
    await failsWith(unpack(doubled), 'ERR_STREAM_ORDER');
    const exchanged = Buffer.concat([
      packed.subarray(0, first.start),
      copy(second),
      copy(first),
      packed.subarray(second.end),
    ]);
    await failsWith(unpack(exchanged), 'ERR_STREAM_ORDER');
  });

  it('rejects a missing or added record of the guest', async () => {
    const packed = await pack(bytes, { codec: 'none' });
    const all = records(packed);
    const context = all.find(({ type }) => type === REC.hvmContext)!;
    // The chunk behind it states its offset.
    await failsWith(unpack(without(packed, context)), 'ERR_STREAM_ORDER');
    const end = all.at(-1)!;
    const record = packed.subarray(context.start, context.end);
    for (const at of [all.at(-2)!.start, end.start]) {
      const added = Buffer.concat([packed.subarray(0, at), record, packed.subarray(at)]);
      await failsWith(unpack(added), 'ERR_STREAM_TOTALS');
    }
  });

  it('rejects missing totals, and totals of another stream', async () => {
    const packed = await pack(bytes, { codec: 'none' });
    const other = await pack(smallXenStream(), { codec: 'none' });
    const totals = records(packed).find(({ type }) => type === XENGUEST_RECORD.totals)!;
    const wrong = records(other).find(({ type }) => type === XENGUEST_RECORD.totals)!;
    await failsWith(unpack(without(packed, totals)), 'ERR_STREAM_TOTALS');
    const exchanged = Buffer.concat([
      packed.subarray(0, totals.start),
      other.subarray(wrong.start, wrong.end),
      packed.subarray(totals.end),
    ]);
    await failsWith(unpack(exchanged), 'ERR_STREAM_TOTALS');
  });

  it('rejects bytes behind the totals, incomplete input', async () => {
    const cut = await pack(bytes.subarray(0, -END_BYTES), { codec: 'none' });
    const restored = await unpack(cut);
    assert.ok(restored.verified && restored.bytes.equals(bytes.subarray(0, -END_BYTES)));
    const first = records(cut).find(({ type }) => type === XENGUEST_RECORD.chunk)!;
    for (const more of [Buffer.alloc(END_BYTES), Buffer.from('x'), cut.subarray(first.start, first.end)]) {
      await failsWith(unpack(Buffer.concat([cut, more])), 'ERR_STREAM_TRAILING', 'ERR_STREAM_TOTALS');
    }
  });

  it('rejects a record that announces other limits than the first', async () => {
    const packed = await pack(bytes, { codec: 'none' });
    const second = records(packed).filter(({ type }) => type === XENGUEST_RECORD.chunk)[1]!;
    packed.writeUInt32LE(MIB, second.start + 16);
    const error = await failsWith(unpack(packed), 'ERR_STREAM_FORMAT');
    assert.equal(error.place.offset, second.start, 'the error names the offset');
  });
});

describe('receiver, compressed records beyond a limit', () => {
  const head = new XenStream().image().bytes();
  const record = (length: number, body: Buffer): Buffer => {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(XENGUEST_RECORD.chunk, 0);
    header.writeUInt32LE(length, 4);
    return Buffer.concat([head, header, body]);
  };
  const envelope = (maxChunk: number, storePages = 0): Buffer => {
    const bytes = Buffer.from('524d465901000000' + '0000000000000000', 'hex');
    bytes.writeUInt32LE(maxChunk, 8);
    bytes.writeUInt32LE(storePages, 12);
    return bytes;
  };

  it('rejects them before it allocates memory', async () => {
    const before = process.memoryUsage().arrayBuffers;
    for (const length of [0, 8, 16 + 87, 100 * MIB, 128 * MIB]) {
      await failsWith(unpack(record(length, envelope(65_536))), 'ERR_STREAM_LIMIT');
    }
    await failsWith(unpack(record(1024, envelope(64 * MIB)), { memoryLimit: 100 * MIB }), 'ERR_STREAM_LIMIT');
    await failsWith(
      unpack(record(1024, envelope(65_536, 2 ** 20 - 1)), { memoryLimit: 200 * MIB }),
      'ERR_STREAM_LIMIT',
    );
    await failsWith(unpack(record(1024, envelope(65_536, 0xffffffff))), 'ERR_STREAM_LIMIT');
    assert.ok(process.memoryUsage().arrayBuffers - before < 32 * MIB);
  });

  it('rejects an envelope of another version or size', async () => {
    const future = envelope(65_536);
    future[4] = 2;
    await failsWith(unpack(record(1024, future)), 'ERR_STREAM_VERSION');
    await failsWith(unpack(record(1024, envelope(0))), 'ERR_STREAM_LIMIT');
    const totals = record(1024, Buffer.alloc(0));
    totals.writeUInt32LE(XENGUEST_RECORD.totals, head.length);
    await failsWith(unpack(totals), 'ERR_STREAM_LIMIT');
  });
});

describe('END of a bare libxc stream', () => {
  const bytes = new XenStream().pvhGuest(1).bytes();
  const others = Buffer.from('bytes of another reader');

  for (const piece of [1, 1000, Infinity]) {
    it(`ends the reads of the receiver, pieces of ${piece}`, async () => {
      const packed = await pack(bytes, { codec: 'lz4' });
      const sink = new CollectingSink();
      const source = new PiecewiseSource(Buffer.concat([packed, others]), piece, true);
      const { verified } = await receiving(source, sink, 'libxc').run();
      assert.ok(verified);
      assert.ok(sink.bytes.equals(bytes));
      assert.equal(source.given, packed.length);
    });

    it(`ends the reads of the receiver, uncompressed stream, pieces of ${piece}`, async () => {
      const sink = new CollectingSink();
      const source = new PiecewiseSource(Buffer.concat([bytes, others]), piece, true);
      const { verified } = await receiving(source, sink, 'libxc').run();
      assert.ok(!verified);
      assert.ok(sink.bytes.equals(bytes));
      assert.equal(source.given, bytes.length);
    });

    for (const method of ['xenguest', 'stream'] as const) {
      it(`ends the reads of the sender, method ${method}, pieces of ${piece}`, async () => {
        const sink = new CollectingSink();
        const source = new PiecewiseSource(Buffer.concat([bytes, others]), piece, true);
        await packInto(sink, source, 'libxc', { method, codec: 'lz4' });
        assert.equal(source.given, bytes.length);
        assert.ok((await unpack(sink.bytes)).bytes.equals(bytes));
      });
    }
  }
});

describe('receiver, bytes that the hypervisor may answer', () => {
  // A bare Remus stream holds libxl's records too.
  const bare = new XenStream().image({ type: 2 }).pageData(range(0, 2)).checkpoint().libxlCheckpoint();
  const samples: Record<string, { kind: XenKind; bytes: Buffer }> = {
    'a checkpoint': {
      kind: 'libxc',
      bytes: new XenStream().image({ type: 2 }).pageData(range(0, 2)).checkpoint().bytes(),
    },
    'a checkpoint of libxl': { kind: 'libxc', bytes: bare.bytes() },
    'the end of a wrapping': { kind: 'libxl', bytes: wellFormed()['remus']!.stream.bytes() },
    'any record': {
      kind: 'libxc',
      bytes: new XenStream()
        .image()
        .pageData(range(0, 2))
        .record(REC.hvmContext, Buffer.alloc(99, 7))
        .bytes(),
    },
  };
  for (const [name, { kind, bytes }] of Object.entries(samples)) {
    for (const compressed of [true, false]) {
      it(`sends at once: ${name}${compressed ? '' : ', uncompressed'}`, { timeout: 30_000 }, async () => {
        let stream = bytes;
        if (compressed) {
          // The part that a sender has sent while its writer waits: without the totals, which follow the end of the input.
          stream = (await pack(bytes, { kind, codec: 'lz4' })).subarray(0, -72);
        }
        const source = new PiecewiseSource(stream, 10_000, true);
        const sink = new WatchedSink();
        const run = receiving(source, sink, kind).run();
        await sink.holds(bytes.length);
        await source.close();
        await failureOf(run);
      });
    }
  }
});

describe('receiver, stream without compressed records', () => {
  it('passes it on unchanged and unverified, every wrapping', async () => {
    for (const { kind, stream } of Object.values(wellFormed())) {
      const bytes = stream.bytes();
      if (bytes.includes(Buffer.from('100f000000000000', 'hex'))) continue; // vGPU: no header states its length
      const { bytes: restored, verified } = await unpack(bytes, { piece: 5000 });
      assert.ok(restored.equals(bytes), kind);
      assert.ok(!verified);
    }
  });

  it('rejects a cut stream, and passes it on with pass-through', async () => {
    for (const name of ['pv', 'libxl', 'xl', 'xenopsd'] as const) {
      const bytes = wellFormed()[name]!.stream.bytes();
      const cuts = [
        50,
        100,
        bytes.length >> 1,
        bytes.length - (name === 'xl' ? 6 : name === 'xenopsd' ? 20 : 1),
      ];
      for (const end of cuts) {
        const part = bytes.subarray(0, end);
        await failsWith(unpack(part), 'ERR_STREAM_TRUNCATED');
        const passed = await unpack(part, { passThrough: true });
        assert.ok(passed.bytes.equals(part));
        assert.ok(!passed.verified);
      }
    }
  });

  it('rejects an unknown version, and passes it on with pass-through', async () => {
    const bytes = new XenStream({ version: 4 }).image().pageData(range(0, 1)).end().bytes();
    const error = await failsWith(unpack(bytes), 'ERR_STREAM_TRUNCATED');
    assert.match(error.message, /version 4/);
    assert.ok((await unpack(bytes, { passThrough: true })).bytes.equals(bytes));
  });
});

describe('sender, compressed Xen stream as input', () => {
  it('rejects it with ERR_ALREADY_COMPRESSED, either method', async () => {
    const bare = await pack(new XenStream().pvGuest().bytes(), { codec: 'lz4' });
    const wrapped = await pack(smallXlStream(), { kind: 'xl', codec: 'lz4' });
    const cut = await pack(smallXenStream().subarray(0, -END_BYTES), { codec: 'lz4' });
    // A stream with only ramferry's totals counts as compressed, too.
    const only = await pack(new XenStream().image().end().bytes(), { codec: 'lz4' });
    for (const packed of [bare, wrapped, cut, only]) {
      for (const method of ['xenguest', 'stream'] as const) {
        await failsWith(pack(packed, { method, codec: 'lz4' }), 'ERR_ALREADY_COMPRESSED');
      }
    }
  });

  it('accepts a stream whose pages hold the bytes of such records', async () => {
    const stream = new XenStream().image();
    const body = Buffer.concat([stream.u32(1, 0), stream.u64(1n), Buffer.alloc(PAGE_BYTES)]);
    body.writeUInt32LE(XENGUEST_RECORD.chunk, 16);
    const bytes = stream.pageDataSkeleton(body).record(REC.hvmContext, body.subarray(16, 80)).end().bytes();
    assert.equal(records(bytes)[0]!.type, LIBXC_RECORD.pageData);
    assert.ok((await unpack(await pack(bytes, { codec: 'lz4' }))).bytes.equals(bytes));
  });
});
