// The layout of docs/FRAMES.md in hex. Released versions have sent these streams, so they must stay readable.
// All chunks are stored: a codec's output may change with its version, but ramferry's framing may not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { announcementUnit, totalsUnit } from '../../../src/container/frames/control.js';
import { parseRecord, writeRecord } from '../../../src/container/frames/record.js';
import { receive, rejectsWith, send } from './helpers.js';

const INPUT = Buffer.from('ramferry '.repeat(8));

/** The streams of INPUT in chunks of 48 bytes at level 0. */
const GOLDEN = {
  zstd:
    '502a4d18040000001c0000005b2a4d181400000052616d46657272790101030030000000ed5c7a71' +
    '502a4d18040000003d00000028b52ffd2430810100' +
    Buffer.from('ramferry ramferry ramferry ramferry ramferry ram').toString('hex') +
    'e0707e11' +
    '502a4d18040000002500000028b52ffd2418c10000' +
    Buffer.from('ferry ramferry ramferry ').toString('hex') +
    '7853a9dc' +
    '502a4d1804000000300000005b2a4d182800000052616d4665727279010203000200000000000000' +
    '4800000000000000ea26423c34607ee24488bf45',
  lz4:
    '502a4d18040000001c0000005b2a4d181400000052616d46657272790101020030000000f0e818ed' +
    '502a4d18040000004b00000004224d186c4030000000000000008430000080' +
    Buffer.from('ramferry ramferry ramferry ramferry ramferry ram').toString('hex') +
    '00000000ffb28c6a' +
    '502a4d18040000003300000004224d186c4018000000000000003518000080' +
    Buffer.from('ferry ramferry ramferry ').toString('hex') +
    '00000000002b58df' +
    '502a4d1804000000300000005b2a4d182800000052616d4665727279010202000200000000000000' +
    '4800000000000000cb08e41b4a5f21b998882eea',
  zlib:
    '1f8b08040000000000ff18005246140052616d466572727901010400300000006e118fb703000000000000000000' +
    '1f8b08040000000000ff1c005246180052616d4665727279010304006500000030000000b29fc9a1013000cfff' +
    Buffer.from('ramferry ramferry ramferry ramferry ramferry ram').toString('hex') +
    '295f385f30000000' +
    '1f8b08040000000000ff1c005246180052616d4665727279010304004d00000018000000efe846bf011800e7ff' +
    Buffer.from('ferry ramferry ramferry ').toString('hex') +
    '8d6a0c0318000000' +
    '1f8b08040000000000ff2c005246280052616d466572727901020400020000000000000048000000000000' +
    '00d431c25fcfc64a163707d2bc03000000000000000000',
} as const;

for (const format of ['zstd', 'lz4', 'zlib'] as const) {
  describe(`golden stream of ${format}`, () => {
    it('matches the encoder output', async () => {
      assert.equal((await send(format, INPUT, 48, 0)).toString('hex'), GOLDEN[format]);
    });

    it('decodes', async () => {
      const { decoded, kinds } = await receive(Buffer.from(GOLDEN[format], 'hex'));
      assert.deepEqual(decoded, INPUT);
      assert.deepEqual(kinds, ['announcement', 'chunk', 'chunk', 'totals']);
    });

    it('holds only announcement and totals, empty input', async () => {
      const stream = await send(format, Buffer.alloc(0), 65536);
      const totals = { chunks: 0, decodedBytes: 0, digest: 0xef46db3751d8e999n };
      assert.deepEqual(stream, Buffer.concat([announcementUnit(format, 65536), totalsUnit(format, totals)]));
      assert.deepEqual(await receive(stream), {
        decoded: Buffer.alloc(0),
        kinds: ['announcement', 'totals'],
      });
    });
  });
}

describe('records', () => {
  it('survive a round trip', () => {
    for (const record of [
      { kind: 'announcement', format: 'lz4', maxDecoded: 0xffffffff },
      { kind: 'chunk', format: 'zlib', encodedLength: 1, decodedLength: 0x80000000 },
      {
        kind: 'totals',
        format: 'zstd',
        totals: { chunks: 2 ** 40, decodedBytes: Number.MAX_SAFE_INTEGER, digest: 2n ** 64n - 1n },
      },
    ] as const) {
      assert.deepEqual(parseRecord(writeRecord(record), 0), record);
    }
  });

  it('rejects totals above 2^53 - 1', async () => {
    for (const wrong of [{ chunks: 2 ** 60 }, { decodedBytes: 2 ** 63 }]) {
      const totals = { chunks: 1, decodedBytes: 1, digest: 0n, ...wrong };
      const bytes = writeRecord({ kind: 'totals', format: 'zstd', totals });
      await rejectsWith(() => Promise.resolve().then(() => parseRecord(bytes, 20)), 'ERR_STREAM_FORMAT');
    }
  });

  it('are rejected with ERR_STREAM_VERSION, later version', async () => {
    const bytes = writeRecord({ kind: 'announcement', format: 'zstd', maxDecoded: 1 });
    bytes[8] = 2;
    const error = await rejectsWith(
      () => Promise.resolve().then(() => parseRecord(bytes, 20)),
      'ERR_STREAM_VERSION',
    );
    assert.equal(error.place.offset, 20);
  });
});
