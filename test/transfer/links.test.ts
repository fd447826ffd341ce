// `send` and `receive` over every kind of link, with every codec, binding and chunk size: the bytes arrive unchanged.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { CODEC_NAMES } from '../../src/codec/codec.js';
import { send } from '../../src/transfer/send.js';
import { MIB } from '../../src/units.js';
import { candidates, noise } from '../codec/support.js';
import * as qemu from '../grammar/support/qemu-streams.js';
import { wellFormed } from '../grammar/support/xen-streams.js';
import { carry, image, LINKS, workplace } from './support/carry.js';

const LIMIT = { timeout: 60_000 };
const place = workplace();
const busy = image(3 * MIB);
const busyFile = place.file('busy.ram', busy);
const bindings = candidates.filter(({ codec }) => codec === 'zstd').map(({ binding }) => binding);

describe('send and receive, image', () => {
  for (const link of LINKS) {
    it(`carry it unchanged over ${link}, with every codec`, LIMIT, async () => {
      for (const codec of CODEC_NAMES) {
        const { bytes, sent, received } = await carry(place, link, busyFile, { codec, chunkSize: '256KiB' });
        assert.ok(bytes.equals(busy), codec);
        assert.equal(sent.status, 'completed');
        assert.equal(received.status, 'completed');
        assert.equal(
          sent.ram.transferred,
          received.ram.transferred,
          'both sides counted the same bytes on the link',
        );
        const { identified, anonymous, ...pages } = sent.pages;
        assert.deepEqual(pages, received.pages);
        assert.deepEqual([identified! > 0, anonymous], [true, 0]);
        assert.equal(sent.chunks.total, 12);
        const used = Object.keys(sent.chunks.codecs);
        assert.ok(used.includes(codec), `${codec} was used, not only ${used.join()}`);
      }
    });
  }

  for (const binding of bindings) {
    it(`carry it unchanged, zstd by ${binding} on either side`, LIMIT, async () => {
      const one = await carry(place, 'unix', busyFile, { zstdBinding: binding, compressLevel: 3 });
      assert.ok(one.bytes.equals(busy));
      const other = await carry(place, 'exec', busyFile, {}, { zstdBinding: binding });
      assert.ok(other.bytes.equals(busy));
    });
  }

  it('send distant duplicates once, with a long window', LIMIT, async () => {
    const memoryLimit = '1GiB';
    // A busy guest, 18 MiB of noise, and the same guest again at an offset that is not a multiple of a page.
    const other = Buffer.from(noise(18 * MIB + 2048));
    const far = Buffer.concat([busy, other, busy, Buffer.alloc(2048, 7)]);
    const file = place.file('far.ram', far);
    const limits = { memoryLimit, compressThreads: 1, compressLevel: 1 };
    const wide = await carry(place, 'unix', file, { ...limits, window: '32MiB' }, { memoryLimit });
    assert.ok(wide.bytes.equals(far));
    assert.equal(wide.sent.chunks.total, 1);
    const narrow = await carry(place, 'unix', file, limits, { memoryLimit });
    const once = await carry(place, 'unix', busyFile, limits, { memoryLimit });
    const saved = narrow.sent.ram.transferred - wide.sent.ram.transferred;
    assert.ok(saved > 0.9 * once.sent.ram.transferred, `${saved} of ${once.sent.ram.transferred}`);
  });

  it('say how much memory a long window takes, receiver without room', LIMIT, async () => {
    const memoryLimit = '1GiB';
    await assert.rejects(
      carry(place, 'unix', busyFile, { window: '64MiB', memoryLimit }, { memoryLimit: '128MiB' }),
      (thrown: { code?: string; hint?: string }) => {
        assert.match(String(thrown.code), /^ERR_/);
        assert.match(String(thrown.hint), /--memory-limit/);
        return true;
      },
    );
    for (const codec of ['lz4', 'none', 'zlib'] as const) {
      await assert.rejects(
        send({ input: busyFile, output: place.path('never.rf'), window: '64MiB', memoryLimit, codec }),
        /window: .* cannot look that far/,
      );
    }
  });

  for (const chunkSize of ['64KiB', '260KiB', '16MiB']) {
    it(`carry it unchanged in chunks of ${chunkSize}`, LIMIT, async () => {
      const memoryLimit = '1GiB';
      const { bytes, sent } = await carry(
        place,
        'unix',
        busyFile,
        { chunkSize, memoryLimit },
        { memoryLimit },
      );
      assert.ok(bytes.equals(busy));
      assert.equal(sent.chunks.total, { '64KiB': 48, '260KiB': 12, '16MiB': 1 }[chunkSize]);
    });
  }

  it('still leave out zero and duplicate pages, level 0', LIMIT, async () => {
    const idle = image(3 * MIB, 'idle');
    const file = place.file('idle.ram', idle);
    const { bytes, sent } = await carry(place, 'tcp', file, { compressLevel: 0 });
    assert.ok(bytes.equals(idle));
    assert.deepEqual(Object.keys(sent.chunks.codecs), ['none']);
    assert.ok(sent.pages.zero > 0 && sent.pages.duplicate > 0);
    assert.ok(sent.ram.transferred < idle.length - sent.pages.zero * 4096);
    assert.equal(sent.compression, undefined);
  });

  it('carry it unchanged, size not a multiple of pages, and empty', LIMIT, async () => {
    for (const size of [0, 1, 4095, 4097, 65_536, 65_537, MIB + 5]) {
      const bytes = busy.subarray(0, size);
      const file = place.file('odd', bytes);
      for (const format of ['auto', 'raw'] as const) {
        const carried = await carry(place, 'exec', file, { format, chunkSize: '64KiB' });
        assert.ok(carried.bytes.equals(bytes), `${size} bytes as ${format}`);
      }
    }
  });

  it('carry it unchanged, direct I/O and an odd size', LIMIT, async () => {
    for (const size of [3 * MIB, 2 * MIB + 777]) {
      const bytes = busy.subarray(0, size);
      const file = place.file('direct', bytes);
      const carried = await carry(place, 'file', file, {
        format: 'raw',
        directIo: true,
        chunkSize: '512KiB',
      });
      assert.ok(carried.bytes.equals(bytes));
    }
  });

  it('carry it unchanged, with self-check', LIMIT, async () => {
    for (const codec of CODEC_NAMES) {
      const { bytes } = await carry(place, 'exec', busyFile, { selfCheck: true, codec });
      assert.ok(bytes.equals(busy));
    }
  });

  it('carry migration streams of every kind unchanged, over files and sockets', LIMIT, async () => {
    const streams = [
      qemu.precopy(7, 4, 40).bytes,
      qemu.postcopy(2).bytes,
      ...['pv', 'xl', 'xenopsd with libxl'].map((name) => wellFormed()[name]!.stream.bytes()),
    ];
    for (const stream of streams) {
      const file = place.file('migration', stream);
      for (const link of ['file', 'unix'] as const) {
        const { bytes } = await carry(place, link, file, { chunkSize: '64KiB' });
        assert.ok(bytes.equals(stream));
      }
    }
  });
});

describe('compress-wait-thread off, one thread', () => {
  it('sends chunks uncompressed while the thread is busy, and they arrive', LIMIT, async () => {
    const large = image(24 * MIB);
    const file = place.file('large.ram', large);
    const { bytes, sent } = await carry(place, 'unix', file, {
      compressWaitThread: false,
      compressThreads: 1,
      compressLevel: 9,
      chunkSize: '256KiB',
    });
    assert.ok(bytes.equals(large));
    const { none, zstd } = sent.chunks.codecs;
    assert.ok(none !== undefined && zstd !== undefined, 'some were compressed, some were not');
    assert.ok(sent.chunks.stored > 0 && sent.chunks.stored <= none.chunks);
    assert.ok(sent.compression!.busy >= sent.chunks.stored);
  });
});

describe('stream', () => {
  async function streamOf(options: Partial<Parameters<typeof send>[0]>): Promise<Buffer> {
    const output = place.path('stream');
    await send({ input: busyFile, output, format: 'raw', chunkSize: '128KiB', ...options });
    return readFileSync(output);
  }

  it('has the same bytes with 1, 2 and 8 threads', LIMIT, async () => {
    const memoryLimit = '1GiB';
    const one = await streamOf({ compressThreads: 1, memoryLimit });
    for (const compressThreads of [2, 8]) {
      assert.ok((await streamOf({ compressThreads, memoryLimit })).equals(one), `${compressThreads} threads`);
    }
  });

  it('has the same bytes from a file and from a pipe, except for the length', LIMIT, async () => {
    const fromFile = await streamOf({});
    // No flush: only a flush after a stall may change the chunks.
    const fromPipe = await streamOf({ input: `exec:cat ${busyFile}`, flushAfter: 60_000 });
    assert.equal(fromPipe.readBigUInt64LE(40), 2n ** 64n - 1n);
    assert.equal(fromFile.readBigUInt64LE(40), BigInt(busy.length));
    assert.ok(fromPipe.subarray(0, 40).equals(fromFile.subarray(0, 40)));
    assert.ok(fromPipe.subarray(64).equals(fromFile.subarray(64)));
  });
});

describe('concurrent transfers in one process', () => {
  it('all succeed', LIMIT, async () => {
    const images = [1, 2, 3, 4, 5].map((seed) => image(2 * MIB, seed % 2 === 0 ? 'idle' : 'busy', seed));
    await Promise.all(
      images.map(async (each, index) => {
        const file = place.file(`side-${index}`, each);
        const link = LINKS[index % LINKS.length]!;
        const codec = CODEC_NAMES[index % CODEC_NAMES.length]!;
        const { bytes } = await carry(
          place,
          link,
          file,
          { codec, compressThreads: 1 },
          { decompressThreads: 1 },
        );
        assert.ok(bytes.equals(each));
      }),
    );
  });
});
