// Streams of every grammar, valid and hostile, are restored to the byte through both methods, in pieces of any size, with any number
// of threads.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Method } from '../../src/options/amounts.js';
import { KIB } from '../../src/units.js';
import {
  hostileStreams,
  type Sample,
  smallXenStream,
  smallXlStream,
  soundStreams,
} from './support/streams-corpus.js';
import { pack, type PackOptions, unpack } from './support/streams-support.js';

const METHODS: readonly Method[] = ['xenguest', 'stream'];

async function comesBack(sample: Sample, options: PackOptions): Promise<void> {
  const { bytes, kind } = sample;
  const packed = await pack(bytes, { ...options, kind });
  const restored = await unpack(packed, { ...options });
  assert.ok(restored.bytes.equals(bytes), `${restored.bytes.length} of ${bytes.length} bytes, or others`);
  assert.ok(restored.verified);
  assert.equal(restored.taken, packed.length, 'everything that was written was read');
}

for (const method of METHODS) {
  describe(`method ${method}: restores every byte`, () => {
    // Each sample runs once. Over all samples every size of piece occurs with every number of threads.
    const pieces = [7, 64 * KIB, Infinity];
    const threads = [1, 2, 8, 2];
    const codecs = ['zstd', 'lz4', 'zlib', 'zstd'] as const;
    [...soundStreams(), ...hostileStreams()].forEach((sample, index) => {
      const options = {
        method,
        piece: pieces[index % pieces.length]!,
        threads: threads[index % threads.length]!,
        codec: codecs[(index >> 1) % codecs.length]!,
      };
      it(`${sample.name}, ${options.codec}, pieces of ${options.piece}, ${options.threads} threads`, () =>
        comesBack(sample, options));
    });

    it('byte by byte', async () => {
      const samples = soundStreams().filter(({ name }) =>
        /^(xen remus|big-endian pv|qemu precopy)$/.test(name),
      );
      assert.equal(samples.length, 3);
      for (const sample of samples) await comesBack(sample, { method, piece: 1 });
    });

    it('empty input', async () => {
      const packed = await pack(Buffer.alloc(0), { method, kind: 'opaque' });
      const restored = await unpack(packed);
      assert.equal(restored.bytes.length, 0);
      assert.ok(restored.verified);
    });
  });

  describe(`method ${method}: cut input`, () => {
    const samples: Sample[] = [
      { name: 'a bare stream', kind: 'libxc', bytes: smallXenStream() },
      { name: 'a bare big-endian stream', kind: 'libxc', bytes: smallXenStream(true) },
      { name: 'a stream in a wrapping', kind: 'xl', bytes: smallXlStream() },
    ];
    for (const { name, kind, bytes } of samples) {
      it(`restores all bytes that were read, ${name}`, async () => {
        // Cuts where the parser may take the totals for another record: inside and right before headers, and at multiples
        // of 8 before the end of a record.
        const step = Math.ceil(bytes.length / (method === 'xenguest' ? 7 : 1));
        const last = method === 'xenguest' ? bytes.length - 7 : bytes.length;
        for (let end = bytes.length - 1; end > 32; end -= end > last ? 1 : step) {
          await comesBack({ name, kind, bytes: bytes.subarray(0, end) }, { method, codec: 'lz4' });
        }
      });
    }
  });
}

describe('method xenguest: totals of a cut input', () => {
  it('are not read as the END that their bytes resemble', async () => {
    // Cut 16 to 64 bytes before the end of a record: the walk finds a record of type 0 and length 0 in the totals.
    const whole = smallXenStream();
    const recordEnd = 40 + 8 + 16;
    for (const missing of [16, 24, 32, 40, 48, 56]) {
      const long = Buffer.concat([whole.subarray(0, 40), header(0x11, 80), Buffer.alloc(80, 9)]);
      const bytes = long.subarray(0, long.length - missing);
      await comesBack({ name: '', kind: 'libxc', bytes }, { codec: 'lz4' });
    }
    await comesBack({ name: '', kind: 'libxc', bytes: whole.subarray(0, recordEnd - 16) }, { codec: 'lz4' });
  });

  it('are not read as records of the wrapping after which a reader may answer', async () => {
    const whole = smallXlStream();
    // libxl's EMULATOR_CONTEXT: 8 + 21 + 3 bytes before the last END of 8.
    for (const missing of [8, 16, 24]) {
      const bytes = whole.subarray(0, whole.length - 8 - missing);
      await comesBack({ name: '', kind: 'xl', bytes }, { codec: 'lz4' });
    }
  });
});

function header(type: number, length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(length, 4);
  return bytes;
}
