// The streaming decoder on foreign frames, built by hand or by node:zlib: input in any split, damage, limits.
// test/interop/frames.test.ts decodes the output of the real tools.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as zlib from 'node:zlib';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

import { xxh32 } from '@node-rs/xxhash';

import { compressLz4Block } from '../../../src/container/frames/lz4/frame.js';
import { StreamDecoder } from '../../../src/container/frames/stream-decoder.js';
import type { ZstdEngineName } from '../../../src/container/frames/zstd/engine-type.js';
import { loadStreamingZstd } from '../../../src/container/frames/zstd/streaming.js';
import { RamferryError } from '../../../src/errors.js';
import { coderOf, decodeForeign, memoryLike, rejectsWith, zstdZeros } from './helpers.js';

const nodeHasZstd = 'createZstdDecompress' in zlib;
const TEXT = Buffer.from('pages of the guest, pages of the guest, and the bytes between them. '.repeat(4));

/** One frame of each format, in the layout of other programs. */
const FRAMES: Readonly<Record<string, Buffer>> = {
  zstd: await frameOf('zstd', 1),
  'stored zstd': await frameOf('zstd', 0),
  lz4: await frameOf('lz4', 1),
  'lz4 with linked blocks and all checksums': lz4Linked(TEXT, 100),
  gzip: gzipSync(TEXT),
  'gzip with all header fields': gzipEverything(TEXT),
};

for (const [name, frame] of Object.entries(FRAMES)) {
  const gzip = name.startsWith('gzip');
  describe(`streaming decoder on ${name}`, () => {
    it('decodes the frame whole, in pieces and byte by byte', async () => {
      for (const step of [frame.length, 7, 1]) assert.deepEqual(await decodeForeign(frame, { step }), TEXT);
    });

    it('decodes several frames in a row, skippable frames between them', async () => {
      const skippable = Buffer.from('532a4d18050000006162636465' + '5f2a4d1800000000', 'hex');
      const stream = Buffer.concat([skippable, frame, frame, skippable, frame, skippable]);
      for (const step of [stream.length, 5, 1]) {
        assert.deepEqual(await decodeForeign(stream, { step }), Buffer.concat([TEXT, TEXT, TEXT]));
      }
    });

    it('reports truncation at any byte, with the offset', async () => {
      for (let length = 0; length < frame.length; length += 1) {
        const error = await rejectsWith(
          () => decodeForeign(frame.subarray(0, length)),
          'ERR_STREAM_TRUNCATED',
        );
        assert.equal(error.place.offset, length);
        const second = Buffer.concat([frame, frame.subarray(0, length)]);
        if (length === 0) continue;
        const later = await rejectsWith(() => decodeForeign(second), 'ERR_STREAM_TRUNCATED');
        assert.equal(later.place.offset, frame.length + length);
      }
    });

    it('reports trailing bytes after the last frame, with the offset', async () => {
      const zeros = gzip ? [] : ['\0', '\0\0\0\0\0\0\0\0'];
      for (const tail of [...zeros, 'x', 'garbage', '\x1f\x8b\x07\x00']) {
        const stream = Buffer.concat([frame, Buffer.from(tail, 'latin1')]);
        for (const step of [stream.length, 1]) {
          const error = await rejectsWith(() => decodeForeign(stream, { step }), 'ERR_STREAM_TRAILING');
          assert.equal(error.place.offset, frame.length);
        }
      }
    });

    it('accepts zeros after a gzip member as padding, and no bytes after them', { skip: !gzip }, async () => {
      for (const zeros of [1, 3, 4, 10_000]) {
        const padded = Buffer.concat([frame, Buffer.alloc(zeros)]);
        for (const step of [padded.length, 1]) assert.deepEqual(await decodeForeign(padded, { step }), TEXT);
        const more = Buffer.concat([padded, frame]);
        const error = await rejectsWith(() => decodeForeign(more, { step: 7 }), 'ERR_STREAM_TRAILING');
        assert.equal(error.place.offset, padded.length);
      }
    });

    it('never emits other contents without an error, any bit flipped', async () => {
      for (let bit = 0; bit < frame.length * 8; bit += 1) {
        const damaged = Buffer.from(frame);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        const outcome: unknown = await decodeForeign(damaged).catch((error: unknown) => error);
        if (outcome instanceof RamferryError) assert.equal(outcome.exitCode, 5, outcome.code);
        else assert.deepEqual(outcome, TEXT, `byte ${bit >> 3}, bit ${bit & 7}`);
      }
    });
  });
}

describe('streaming decoder', () => {
  it('reports frames without a checksum as unverified', async () => {
    for (const [frame, verified] of [
      [FRAMES['zstd']!, true],
      [FRAMES['lz4']!, true],
      [FRAMES['gzip']!, true],
      [zstdZeros(1), false],
      [Buffer.from('502a4d1800000000', 'hex'), true],
    ] as const) {
      const decoder = new StreamDecoder();
      await decoder.push(frame, () => undefined);
      decoder.end();
      decoder.close();
      assert.equal(decoder.verified, verified);
    }
  });

  it('rejects bytes that begin no frame', async () => {
    for (const start of ['QEVM....', 'x', '\x28\xb5\x2f\xfe']) {
      await rejectsWith(() => decodeForeign(Buffer.from(start, 'latin1')), 'ERR_STREAM_MAGIC');
    }
  });

  it('names the feature that it cannot decode', async () => {
    await rejectsWith(() => decodeForeign(Buffer.from('02214c1800000000', 'hex')), 'ERR_STREAM_FEATURE');
    // zstd: dictionary 7
    await rejectsWith(() => decodeForeign(Buffer.from('28b52ffd215007000000', 'hex')), 'ERR_STREAM_FEATURE');
    // lz4: dictionary flag
    const flags = Buffer.from('6140', 'hex');
    const descriptor = Buffer.concat([flags, Buffer.alloc(4)]);
    const header = Buffer.concat([Buffer.from('04224d18', 'hex'), descriptor, headerByte(descriptor)]);
    await rejectsWith(() => decodeForeign(header), 'ERR_STREAM_FEATURE');
  });

  it('refuses windows above 128 MiB before it takes memory for them', async () => {
    const at = (window: number): Buffer =>
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 0x01, 0x00, 0x00]);
    assert.deepEqual(await decodeForeign(at((27 - 10) << 3)), Buffer.alloc(0));
    for (const window of [((27 - 10) << 3) | 1, (28 - 10) << 3, 0xff]) {
      const error = await rejectsWith(() => decodeForeign(at(window)), 'ERR_STREAM_LIMIT');
      assert.equal(error.place.offset, 0);
    }
    // The window of a single-segment frame is its content size.
    await rejectsWith(() => decodeForeign(zstdZeros(8192, 2 ** 30)), 'ERR_STREAM_LIMIT');
  });

  it('emits a highly compressed frame in small pieces, and waits for each emit', async () => {
    const streams = [
      zstdZeros(256),
      gzipSync(Buffer.alloc(32 << 20)),
      lz4Linked(Buffer.alloc(8 << 20), 65536),
    ];
    for (const stream of streams) {
      let total = 0;
      let largest = 0;
      let open = 0;
      const decoder = new StreamDecoder();
      await decoder.push(stream, async (bytes) => {
        open += 1;
        assert.equal(open, 1, 'one piece at a time');
        largest = Math.max(largest, bytes.length);
        total += bytes.length;
        if (total % (4 << 20) === 0) await new Promise(setImmediate);
        open -= 1;
      });
      decoder.end();
      decoder.close();
      assert.ok(largest <= 1 << 20, `${largest}`);
      assert.ok(total >= 8 << 20);
    }
  });

  it('rejects with the error that emit throws', async () => {
    for (const frame of Object.values(FRAMES)) {
      const decoder = new StreamDecoder();
      const failure = new Error('disk full');
      await assert.rejects(
        decoder.push(frame, () => Promise.reject(failure)),
        failure,
      );
      decoder.close();
    }
  });

  it('rejects a pending push, closed meanwhile', async () => {
    const decoder = new StreamDecoder();
    const pushed = decoder.push(gzipSync(memoryLike(1 << 20)), () => undefined);
    decoder.close();
    const error = await rejectsWith(() => pushed, 'ERR_LINK_CLOSED');
    assert.match(error.message, /closed/);
  });

  it('limits gzip headers', async () => {
    const endless = Buffer.concat([Buffer.from('1f8b0808000000000003', 'hex'), Buffer.alloc(300_000, 'n')]);
    await rejectsWith(() => decodeForeign(endless, { step: 100_000 }), 'ERR_STREAM_LIMIT');
  });

  it('reports damage in a gzip header with a header checksum', async () => {
    const frame = Buffer.from(FRAMES['gzip with all header fields']!);
    frame[4]! ^= 1;
    await rejectsWith(() => decodeForeign(frame), 'ERR_STREAM_CHECKSUM');
  });
});

describe('streaming decoder with other zstd bindings', () => {
  for (const zstd of ['zstd-napi', 'libzstd', 'node:zlib', '@mongodb-js/zstd'] satisfies ZstdEngineName[]) {
    const usable =
      zstd === 'node:zlib' ? nodeHasZstd : zstd !== 'libzstd' || loadStreamingZstd(zstd) !== undefined;
    const skip = !usable && 'this machine does not have it';
    it(`${zstd} decodes frames with a stated size, and finds damage`, { skip }, async () => {
      const frame = FRAMES['zstd']!;
      const stream = Buffer.concat([frame, FRAMES['stored zstd']!, frame]);
      for (const step of [stream.length, 1]) {
        assert.deepEqual(await decodeForeign(stream, { zstd, step }), Buffer.concat([TEXT, TEXT, TEXT]));
      }
      for (const at of [12, 20, frame.length - 1]) {
        const damaged = Buffer.from(frame);
        damaged[at]! ^= 0x10;
        await rejectsWith(() => decodeForeign(damaged, { zstd }), 'ERR_STREAM_CODEC', 'ERR_STREAM_CHECKSUM');
      }
    });
  }

  it('mongodb refuses, with a hint, frames without a size and frames that may become too large', async () => {
    for (const frame of [zstdZeros(1), zstdZeros(8192, 1000), zstdZeros(8, 65 << 20)]) {
      const error = await rejectsWith(
        () => decodeForeign(frame, { zstd: '@mongodb-js/zstd' }),
        'ERR_CODEC_UNAVAILABLE',
      );
      assert.match(error.hint ?? '', /zstd-napi/);
    }
    const empties = Buffer.concat([zstdZeros(1, 1000).subarray(0, 9), Buffer.alloc(3_000_000)]);
    await rejectsWith(() => decodeForeign(empties, { zstd: '@mongodb-js/zstd' }), 'ERR_STREAM_LIMIT');
  });
});

async function frameOf(format: 'zstd' | 'lz4', level: number): Promise<Buffer> {
  const coder = coderOf(format);
  const dst = Buffer.alloc(coder.bound(TEXT.length));
  const { encodedLength } = await coder.encode(dst, TEXT, level);
  return dst.subarray(12, encodedLength);
}

function headerByte(descriptor: Buffer): Buffer {
  return Buffer.from([(xxh32(descriptor) >>> 8) & 0xff]);
}

/** A frame with linked blocks (none refers back), block checksums and a content checksum, without a content size. */
function lz4Linked(content: Buffer, blockSize: number): Buffer {
  const descriptor = Buffer.from('5440', 'hex');
  const parts = [Buffer.from('04224d18', 'hex'), descriptor, headerByte(descriptor)];
  const word = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  for (let from = 0; from < content.length; from += blockSize) {
    const packed = compressLz4Block(content.subarray(from, from + blockSize));
    parts.push(word(packed.length), Buffer.from(packed), word(xxh32(packed)));
  }
  return Buffer.concat([...parts, word(0), word(xxh32(content))]);
}

/** A gzip member with extra field, name, comment and header checksum. */
function gzipEverything(content: Buffer): Buffer {
  const header = Buffer.concat([
    Buffer.from('1f8b081e0102030402ff', 'hex'),
    Buffer.from('0600585902006162', 'hex'),
    Buffer.from('name\0comment\0'),
  ]);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(content));
  tail.writeUInt32LE(content.length, 4);
  const check = Buffer.alloc(2);
  check.writeUInt16LE(crc32(header) & 0xffff);
  return Buffer.concat([header, check, deflateRawSync(content), tail]);
}
