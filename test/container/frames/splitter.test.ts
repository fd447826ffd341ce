// The detection of a stream's layout, and the splitter: input in any split, limits, and streams that change their layout.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { announcementUnit, writePzstdHeader } from '../../../src/container/frames/control.js';
import { detectLayout } from '../../../src/container/frames/detect.js';
import { MAX_UNIT_HEAD } from '../../../src/container/frames/limits.js';
import { FrameSplitter, type FrameUnit } from '../../../src/container/frames/splitter.js';
import { coderOf, FORMATS, memoryLike, receive, rejectsWith, send, zstdZeros } from './helpers.js';

const PZSTD = { layout: 'units', format: 'zstd', announced: false } as const;

describe('detectLayout', () => {
  it('returns the same layout, input at once or byte by byte', async () => {
    const streams = [
      ...(await Promise.all(FORMATS.map((format) => send(format, memoryLike(500), 100)))),
      Buffer.concat([pzstdHeader(30), Buffer.from('28b52ffd2000010000', 'hex'), Buffer.alloc(40)]),
      Buffer.from('28b52ffd2000010000', 'hex'),
      Buffer.from('04224d186440a7', 'hex'),
      Buffer.from('02214c18', 'hex'),
      Buffer.from('1f8b0800000000000003030000000000000000000000', 'hex'),
      Buffer.from('5a2a4d1800000000', 'hex'),
      Buffer.from('QEVM'),
      Buffer.from('RamFerry and more'),
    ];
    for (const stream of streams) {
      const expected = detectLayout(stream);
      assert.ok(expected !== undefined);
      let length = 0;
      while (detectLayout(stream.subarray(0, length)) === undefined) length += 1;
      assert.ok(length <= MAX_UNIT_HEAD);
      assert.deepEqual(detectLayout(stream.subarray(0, length)), expected);
      for (let more = length; more <= stream.length; more += 1) {
        assert.deepEqual(detectLayout(stream.subarray(0, more)), expected);
      }
    }
  });

  it('distinguishes ramferry by format, pzstd, single streams and others', async () => {
    for (const format of FORMATS) {
      assert.deepEqual(detectLayout(await send(format, memoryLike(10), 10)), {
        layout: 'units',
        format,
        announced: true,
      });
    }
    assert.deepEqual(detectLayout(Buffer.concat([pzstdHeader(9), Buffer.from('28b52ffd', 'hex')])), PZSTD);
    assert.deepEqual(detectLayout(Buffer.from('04224d18', 'hex')), { layout: 'stream' });
    assert.deepEqual(detectLayout(Buffer.from('LibxenFmt')), { layout: 'none' });
    assert.deepEqual(detectLayout(Buffer.alloc(0), true), { layout: 'none' });
    assert.equal(detectLayout(Buffer.alloc(0)), undefined);
  });
});

for (const format of FORMATS) {
  describe(`splitter of ${format}`, () => {
    it('finds the same units, input byte by byte', async () => {
      const stream = await send(format, memoryLike(5000), 1000);
      const layout = detectLayout(stream);
      assert.ok(layout?.layout === 'units');
      const splitter = new FrameSplitter(layout);
      const units: FrameUnit[] = [];
      for (let have = 1; have <= stream.length; have += 1) {
        for (;;) {
          if (splitter.offset >= have) break;
          const unit = splitter.next(
            stream.subarray(splitter.offset, Math.min(have, splitter.offset + MAX_UNIT_HEAD)),
          );
          if (unit === undefined) break;
          units.push(unit);
        }
      }
      splitter.end(stream.length);
      assert.deepEqual(
        units.map((unit) => unit.kind),
        ['announcement', 'chunk', 'chunk', 'chunk', 'chunk', 'chunk', 'totals'],
      );
      let offset = 0;
      for (const unit of units) {
        assert.ok(unit.kind !== 'rest');
        assert.equal(unit.offset, offset);
        offset += unit.length;
        if (unit.kind === 'chunk') assert.equal(unit.decodedLength, 1000);
      }
      assert.equal(offset, stream.length);
    });

    it('refuses chunks above the limit before any memory is taken for them', async () => {
      const stream = await send(format, memoryLike(5000), 2500);
      const error = await rejectsWith(() => receive(stream, { maxDecoded: 2499 }), 'ERR_STREAM_LIMIT');
      assert.match(error.message, /2500 .* 2499/);
      await receive(stream, { maxDecoded: 2500 });
      // The sender exceeds its announcement.
      const liar = await send(format, memoryLike(5000), 2500, 1, 2499);
      await rejectsWith(() => receive(liar), 'ERR_STREAM_LIMIT');
    });

    it('refuses a chunk that claims more encoded bytes than its decoded length can need', async () => {
      const coder = coderOf(format);
      const src = memoryLike(100);
      const dst = Buffer.alloc(coder.bound(src.length));
      const { encodedLength } = await coder.encode(dst, src, 1);
      const unit = dst.subarray(0, encodedLength);
      if (format === 'zlib') return; // A checksum covers the sizes of a gzip unit.
      unit.writeUInt32LE(100_000_000, 8);
      const stream = Buffer.concat([announcementUnit(format, 4096), unit]);
      await rejectsWith(() => receive(stream), 'ERR_STREAM_LIMIT');
    });
  });
}

describe('splitter of streams in the layout of pzstd', () => {
  it('reserves four windows for a frame, size not stated', () => {
    // Window descriptor 0x48: 2^19 bytes, what `pzstd -1` writes.
    const head = Buffer.concat([pzstdHeader(1000), Buffer.from('28b52ffd0448', 'hex')]);
    const unit = new FrameSplitter(PZSTD, { unsizedFrames: true }).next(head);
    assert.deepEqual(unit, {
      kind: 'chunk',
      offset: 0,
      length: 1012,
      sequence: 0,
      decodedLength: undefined,
      decodedBound: 4 << 19,
    });
  });

  it('falls back to one thread, binding cannot decode frames of unknown size', () => {
    const head = Buffer.concat([pzstdHeader(1000), Buffer.from('28b52ffd0448', 'hex')]);
    const splitter = new FrameSplitter(PZSTD, { unsizedFrames: false });
    assert.deepEqual(splitter.next(head), { kind: 'rest', offset: 0 });
  });

  it('falls back to one thread, frame too large or of another kind', async () => {
    const unit = unitOf(await send('zstd', memoryLike(1000), 1000));
    const rest = { kind: 'rest', offset: unit.length };
    for (const next of [
      // --ultra -22: a window of 2^27
      Buffer.concat([pzstdHeader(1000), Buffer.from('28b52ffd0488', 'hex')]),
      Buffer.from('28b52ffd2000010000'.padEnd(40, '0'), 'hex'),
      Buffer.from('5a2a4d18040000000000000000000000', 'hex'),
      Buffer.concat([pzstdHeader(1000), Buffer.from('04224d18', 'hex')]),
    ]) {
      const splitter = new FrameSplitter(PZSTD);
      assert.equal(splitter.next(Buffer.concat([unit, next]))?.kind, 'chunk');
      assert.deepEqual(splitter.next(next), rest);
      assert.deepEqual(splitter.next(next), rest);
    }
  });

  it('continues with the streaming decoder, layout changes', async () => {
    const input = memoryLike(3000);
    const unit = unitOf(await send('zstd', input, 3000));
    const plain = unit.subarray(12);
    const { decoded, kinds } = await receive(Buffer.concat([unit, unit, plain, unit]));
    assert.deepEqual(kinds, ['chunk', 'chunk', 'rest']);
    assert.deepEqual(decoded, Buffer.concat([input, input, input, input]));
  });

  it('rejects a ramferry stream without its announcement', async () => {
    const stream = await send('zstd', memoryLike(3000), 1000);
    await rejectsWith(() => receive(stream.subarray(40)), 'ERR_STREAM_FORMAT');
  });
});

describe('memory of the splitter', () => {
  it('stays small, frame of 32 kB claims 1 GiB', async () => {
    const bomb = zstdZeros(8192, 2 ** 30);
    assert.ok(bomb.length < 33_000);
    const grouped = Buffer.concat([pzstdHeader(bomb.length), bomb]);
    const splitter = new FrameSplitter(PZSTD);
    assert.deepEqual(splitter.next(grouped), { kind: 'rest', offset: 0 });
    const announced = Buffer.concat([announcementUnit('zstd', 1 << 20), grouped]);
    await rejectsWith(() => receive(announced), 'ERR_STREAM_LIMIT');
  });

  it('stays small, frame decodes to more than it claims', async () => {
    for (const claim of [1000, 1 << 20]) {
      const bomb = zstdZeros(8192, claim);
      const stream = Buffer.concat([announcementUnit('zstd', 1 << 20), pzstdHeader(bomb.length), bomb]);
      await rejectsWith(() => receive(stream), 'ERR_STREAM_LIMIT', 'ERR_STREAM_CODEC');
    }
  });
});

function pzstdHeader(length: number): Buffer {
  const header = Buffer.alloc(12);
  writePzstdHeader(header, length);
  return header;
}

/** The only chunk of a stream. */
function unitOf(stream: Buffer): Buffer {
  return stream.subarray(40, stream.length - 60);
}
