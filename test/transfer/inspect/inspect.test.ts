// `inspect` for every container: its counts match the sent stream, with and without decoding, and it reports a bad stream with the same
// error as `receive`.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';

import { RamferryError } from '../../../src/errors.js';
import { inspect, type InspectOptions } from '../../../src/transfer/inspect/inspect.js';
import type {
  ForeignReport,
  InspectReport,
  UnitsReport,
  XenReport,
} from '../../../src/transfer/inspect/report.js';
import { formatInspection } from '../../../src/report/inspect.js';
import { KIB } from '../../../src/units.js';
import { unknownLive } from '../../grammar/support/qemu-streams.js';
import { XenStream } from '../../grammar/support/xen-streams.js';
import { image } from '../support/carry.js';
import { smallXenStream, smallXlStream } from '../support/streams-corpus.js';
import { failsWith, failureOf, pack, type PackOptions, unpack } from '../support/streams-support.js';

/** Inspects a stream that arrives in pieces, as from a pipe. */
function look(stream: Uint8Array, options: InspectOptions = {}, piece = 1000): Promise<InspectReport> {
  const pieces = Array.from({ length: Math.ceil(stream.length / piece) }, (_, n) =>
    Buffer.from(stream.subarray(n * piece, (n + 1) * piece)),
  );
  return inspect(Readable.from(pieces), options);
}

const guest = image(512 * KIB);
const raw: PackOptions = { kind: 'raw' };

describe('inspect', () => {
  const samples: Record<
    string,
    { input: Buffer; options: PackOptions; container: InspectReport['container'] }
  > = {
    'a native stream': { input: guest, options: raw, container: 'native' },
    'a libxc stream with compressed records': { input: smallXenStream(), options: {}, container: 'xen' },
    'the same in an xl wrapping': { input: smallXlStream(), options: {}, container: 'xen' },
    'zstd frames of ramferry': { input: guest, options: { ...raw, method: 'stream' }, container: 'frames' },
    'lz4 frames of ramferry': {
      input: guest,
      options: { ...raw, method: 'stream', codec: 'lz4' },
      container: 'frames',
    },
    'gzip members of ramferry': {
      input: guest,
      options: { ...raw, method: 'stream', codec: 'zlib' },
      container: 'frames',
    },
  };
  for (const [name, { input, options, container }] of Object.entries(samples)) {
    it(`reports the sizes of ${name}, decoded or not`, async () => {
      const stream = await pack(input, options);
      for (const verify of [false, true]) {
        const report = await look(stream, { verify, decompressThreads: 1 });
        assert.equal(report.container, container);
        assert.equal(report.decodedBytes, input.length);
        assert.equal(report.streamBytes, stream.length);
        const text = formatInspection(report, verify);
        assert.match(text, new RegExp(`^guest side: .*\\(${input.length} bytes\\)$`, 'm'));
        assert.match(text, /^codec \w+: \d+ chunks, .* ratio \d+\.\d\d$/m);
      }
    });

    it(`refuses ${name}, cut short, with an offset`, async () => {
      const stream = await pack(input, options);
      for (const end of [stream.length - 1, stream.length >> 1]) {
        const error = await failureOf(look(stream.subarray(0, end)));
        assert.match(error.code, /^ERR_STREAM_(TRUNCATED|FORMAT)$/);
        assert.ok(error.place.offset! <= end);
      }
    });
  }

  it('counts the chunks of a Xen stream, and the records around them', async () => {
    const input = new XenStream().pvGuest().bytes();
    const report = (await look(await pack(input))) as XenReport;
    assert.ok(report.compressed && !report.cut && report.wrapping === 'libxc');
    assert.equal(report.records['COMPRESSED_PAGE_DATA']!.records, report.chunks);
    assert.equal(report.records['COMPRESSED_TOTALS']!.records, 1);
    assert.equal(report.records['END']!.records, 1);
    assert.ok(!('PAGE_DATA' in report.records), 'page data is in compressed records');
    const decoded = Object.values(report.codecs).reduce((sum, { decoded }) => sum + decoded, 0);
    assert.equal(decoded + report.verbatimBytes, input.length);
    assert.ok(report.pages.literal + report.pages.zero > 0);
  });

  it('reports what is recognised of a QEMU stream, plain and decoded with --verify', async () => {
    const { bytes, expected } = unknownLive(3);
    const pages = (keep: (identity: number) => boolean): number =>
      expected.reduce((sum, s) => sum + (s.kind === 'pages' && keep(s.identity) ? s.n : 0), 0);
    const wanted = {
      identified: pages((identity) => identity >= 0),
      anonymous: pages((identity) => identity < 0),
      streamEnd: 'seen',
      opaqueBecause: "live section of an unknown format ('of-a-later-qemu')",
    };
    const report = await look(bytes);
    assert.ok(report.container === 'plain' && report.format === 'qemu');
    assert.deepEqual({ ...report.recognised, ...wanted }, report.recognised);
    assert.equal(report.decodedBytes, bytes.length);
    const text = formatInspection(report, false);
    assert.match(text, /^stream: qemu, not compressed/m);
    assert.match(
      text,
      new RegExp(`^identified: ${wanted.identified} of ${wanted.identified + wanted.anonymous} pages`, 'm'),
    );
    assert.match(text, /^opaque because: live section/m);
    const packed = await pack(bytes, { kind: 'qemu' });
    const verified = await look(packed, { verify: true, decompressThreads: 1 });
    assert.ok(verified.container === 'native');
    assert.deepEqual(verified.recognised, report.recognised);
    assert.match(formatInspection(verified, true), /^opaque because: live section/m);
    assert.ok(!('recognised' in (await look(packed))));
  });

  it('reports a Xen stream without compressed records as not compressed', async () => {
    const report = (await look(smallXenStream())) as XenReport;
    assert.equal(report.compressed, false);
    assert.ok(report.records['PAGE_DATA']!.records > 0);
    assert.match(formatInspection(report, false), /not compressed/);
  });

  it('reports that the input of the sender broke off', async () => {
    const report = (await look(await pack(smallXenStream().subarray(0, -8)))) as XenReport;
    assert.ok(report.cut);
  });

  it('counts stored frames apart from compressed ones', async () => {
    const stream = await pack(guest, { ...raw, method: 'stream', level: 0 });
    const report = (await look(stream)) as UnitsReport;
    assert.deepEqual(Object.keys(report.codecs), ['none']);
    assert.equal(report.codecs.none!.chunks, report.chunks);
  });
});

describe('inspect of damage', () => {
  const methods: PackOptions[] = [{ ...raw }, { ...raw, method: 'stream', codec: 'lz4' }, { kind: 'libxc' }];
  for (const options of methods) {
    const name = options.method ?? (options.kind === 'libxc' ? 'xenguest' : 'native');
    it(`reports any flipped bit with the code of receive, decoding: ${name}`, async () => {
      const input = options.kind === 'libxc' ? smallXenStream() : image(16 * KIB);
      const stream = await pack(input, { ...options, chunkSize: 64 * KIB });
      // Only some bytes, because each decoded stream starts threads.
      const step = Math.max(1, Math.floor(stream.length / 24));
      for (let at = 20; at < stream.length; at += step) {
        const damaged = Buffer.from(stream);
        damaged[at]! ^= 1 << (at & 7);
        const received = await failureOf(unpack(damaged));
        const seen = await failureOf(look(damaged, { verify: true, decompressThreads: 1 }));
        assert.equal(seen.code, received.code, `bit ${at & 7} of byte ${at}`);
        assert.equal(seen.place.offset, received.place.offset, `bit ${at & 7} of byte ${at}`);
      }
    });
  }

  it('names record and offset of a damaged chunk record, without decoding', async () => {
    const native = await pack(guest, raw);
    native[64 + 200]! ^= 1;
    const error = await failsWith(look(native), 'ERR_STREAM_CHECKSUM');
    assert.deepEqual(error.place, { record: 1, offset: 64, sequence: 0 });
    const xen = await pack(smallXenStream());
    const start = xen.indexOf(Buffer.from('4652ff7f', 'hex'));
    // The checksum of the decoded bytes, in the header of the chunk record.
    xen[start + 24 + 72]! ^= 1;
    const other = await failsWith(look(xen), 'ERR_STREAM_CHECKSUM');
    assert.equal(other.place.offset, start);
    assert.equal(typeof other.place.record, 'number');
    const decoded = await failsWith(unpack(xen), 'ERR_STREAM_CHECKSUM');
    assert.deepEqual(decoded.place, other.place, 'the receiver, whose threads find it, says the same');
  });

  it('reports repeated records', async () => {
    const native = await pack(guest, raw);
    const length = native.readUInt32LE(64 + 4) + 88;
    const twice = Buffer.concat([native.subarray(0, 64 + length), native.subarray(64)]);
    const error = await failsWith(look(twice), 'ERR_STREAM_ORDER');
    assert.deepEqual(error.place, { record: 2, offset: 64 + length, sequence: 0 });
  });

  it('reports lost frames', async () => {
    const stream = await pack(guest, { ...raw, method: 'stream', codec: 'lz4' });
    const announcement = 12 + stream.readUInt32LE(8);
    const chunk = 12 + stream.readUInt32LE(announcement + 8);
    const shorter = Buffer.concat([stream.subarray(0, announcement), stream.subarray(announcement + chunk)]);
    const error = await failsWith(look(shorter), 'ERR_STREAM_TOTALS');
    assert.ok(error.place.offset! > 0);
  });

  it('rejects unknown and empty inputs', async () => {
    await failsWith(look(Buffer.from('hello, world')), 'ERR_STREAM_MAGIC');
    await failsWith(look(Buffer.from('hello, world'), { verify: true }), 'ERR_STREAM_MAGIC');
    await failsWith(look(Buffer.alloc(0)), 'ERR_STREAM_TRUNCATED');
  });

  it('rejects a stream beyond the memory limit', async () => {
    const stream = await pack(guest, raw);
    await failsWith(look(stream, { verify: true, memoryLimit: '64MiB' }), 'ERR_STREAM_LIMIT');
  });
});

describe('inspect of foreign frames', () => {
  // A single-segment zstd frame with a raw block of 5 bytes (RFC 8878), and a skippable frame.
  const zstd = Buffer.from('28b52ffd200529000068656c6c6f', 'hex');
  const skippable = Buffer.from('502a4d1804000000' + '0e000000', 'hex');

  it('counts frames and the figures of their headers', async () => {
    const stream = Buffer.concat([zstd, zstd]);
    const report = (await look(stream, {}, 3)) as ForeignReport;
    assert.equal(report.container, 'foreign');
    assert.equal(report.decodedBytes, 10);
    assert.equal(report.streamBytes, stream.length);
    assert.deepEqual(report.frames.zstd, {
      frames: 2,
      encoded: stream.length,
      decoded: 10,
      checksums: 0,
      window: 5,
      compressedBlocks: 0,
      storedBlocks: 2,
    });
    assert.match(formatInspection(report, false), /^zstd frames: 2 in .*2 stored blocks$/m);
  });

  it("recognises pzstd's layout", async () => {
    const report = (await look(Buffer.concat([skippable, zstd]))) as ForeignReport;
    assert.ok(report.pzstd);
    assert.equal(report.frames.skippable!.frames, 1);
    assert.equal(report.frames.zstd!.frames, 1);
  });

  it('inflates gzip members to find their ends', async () => {
    const stream = Buffer.concat([gzipSync(guest), gzipSync(Buffer.alloc(0))]);
    const report = (await look(stream)) as ForeignReport;
    assert.equal(report.frames.gzip!.frames, 2);
    assert.equal(report.decodedBytes, guest.length);
    // CRC-32 of the first member, in front of its length and of the empty member.
    stream[stream.length - 20 - 8]! ^= 1;
    await failsWith(look(stream), 'ERR_STREAM_CHECKSUM');
  });

  it('reports truncation and trailing bytes', async () => {
    for (let end = 5; end < zstd.length; end++) {
      const error = await failsWith(look(zstd.subarray(0, end), {}, 2), 'ERR_STREAM_TRUNCATED');
      assert.equal(error.place.offset, end);
    }
    const trailing = await failsWith(look(Buffer.concat([zstd, Buffer.from('rest')])), 'ERR_STREAM_TRAILING');
    assert.equal(trailing.place.offset, zstd.length);
  });

  it('reports damaged contents only with verify', async () => {
    const broken = Buffer.from('28b52ffd2005' + '2d0000' + '6865', 'hex');
    const block = Buffer.concat([broken, Buffer.alloc(3)]);
    assert.equal((await look(block)).decodedBytes, 5);
    const error = await failureOf(look(block, { verify: true }));
    assert.ok(error instanceof RamferryError);
    assert.equal(error.exitCode, 5);
  });
});
