// Sparse images: the stream is the same whether zero bytes lie on the disk or in holes, and no worker reads holes.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { describe, it, mock } from 'node:test';

import fc from 'fast-check';

import { recordCapacity } from '../../../src/chunk/encode.js';
import { OPERATIONS_CAPACITY } from '../../../src/chunk/plan.js';
import { MAX_SEGMENTS } from '../../../src/chunk/segments.js';
import { RamferryError } from '../../../src/errors.js';
import { openHoles } from '../../../src/io/file/holes.js';
import { libc } from '../../../src/os/libc.js';
import { COMPRESS_ENTRY } from '../../../src/os/entries.js';
import { feedExtents } from '../../../src/transfer/sender/extent-feeder.js';
import { send } from '../../../src/transfer/send.js';
import { receive } from '../../../src/transfer/receive.js';
import { OrderedPool } from '../../../src/pool/ordered-pool.js';
import { TASK } from '../../../src/slot/job.js';
import { decodeRecord } from '../../chunk/support.js';
import { noise } from '../../codec/support.js';
import { type SendExtras, workplace } from '../support/carry.js';

const place = workplace();
const CHUNK = 65_536;
/** Options without adaptive mode, so that the stream does not depend on time. */
const FIXED = { compressThreads: 2, chunkSize: CHUNK, codec: 'zstd', compressLevel: 1 } as const;

interface Data {
  readonly at: number;
  readonly length: number;
}

function makeSparse(size: number, data: readonly Data[]): string {
  const name = place.path('sparse');
  const fd = fs.openSync(name, 'w');
  fs.ftruncateSync(fd, size);
  for (const { at, length } of data) fs.writeSync(fd, noise(length, at + 1), 0, length, at);
  fs.closeSync(fd);
  return name;
}

async function sent(input: string, extras: SendExtras = {}): Promise<Buffer> {
  const output = place.path('sent');
  const format = extras.method === 'stream' ? 'opaque' : 'raw';
  await send({ input, output, format, ...FIXED, ...extras });
  const bytes = fs.readFileSync(output);
  fs.rmSync(output);
  return bytes;
}

async function sameWithAndWithoutHoles(size: number, data: readonly Data[], extras: SendExtras = {}) {
  const sparse = makeSparse(size, data);
  const dense = place.file('dense', fs.readFileSync(sparse));
  const bytes = await sent(sparse, extras);
  assert.ok(bytes.equals(await sent(dense, extras)), `${size} ${JSON.stringify(data)}`);
  fs.rmSync(dense);
  return { sparse, bytes };
}

/** A pool with a real worker that has no file to read. */
function poolWithoutFile(): OrderedPool {
  return new OrderedPool({
    entry: COMPRESS_ENTRY,
    threads: 1,
    geometry: {
      slots: 2,
      segments: MAX_SEGMENTS,
      headroom: OPERATIONS_CAPACITY,
      input: CHUNK,
      output: recordCapacity(CHUNK),
    },
    startUp: { maxChunk: CHUNK, fd: -1, alignment: 1, zstdBinding: '' },
  });
}

describe('feedExtents', () => {
  it('marks holes, so that workers encode them without a read', { timeout: 20_000 }, async (t) => {
    const path = makeSparse(5 * CHUNK, [{ at: 2 * CHUNK, length: 1 }]);
    const fd = fs.openSync(path, 'r');
    const pool = poolWithoutFile();
    try {
      const file = { path, fd, size: 5 * CHUNK, alignment: 1 };
      if (openHoles(file) === undefined) {
        t.skip('the file system of the temporary directory tells no holes');
        return;
      }
      let sequence = 0;
      const unread: number[] = [];
      const feeding = feedExtents(file, pool, CHUNK, {
        take: (index, cut) => {
          const { encode } = pool.slots[index]!;
          encode.task = TASK.encode;
          encode.segmentCount = cut.segments;
          encode.codec = 'none';
          encode.sequence = sequence++;
          if (encode.inHole) unread.push(encode.readAt / CHUNK);
          pool.push(index);
        },
      }).then(() => pool.end());
      for (const chunk of [0, 1]) {
        const index = (await pool.next())!;
        const { encode, output } = pool.slots[index]!;
        const record = output.subarray(0, encode.outputLength);
        const { bytes, header } = await decodeRecord(Buffer.from(record), CHUNK);
        assert.equal(header.offset, chunk * CHUNK);
        assert.ok(Buffer.from(bytes).equals(Buffer.alloc(CHUNK)));
        pool.release(index);
      }
      // Chunk 2 has a byte of data.
      await assert.rejects(pool.next(), { code: 'ERR_INPUT_READ' });
      pool.fail(new RamferryError('ERR_INTERRUPTED', 'enough'));
      await feeding.catch(() => undefined);
      assert.deepEqual(unread.slice(0, 2), [0, 1]);
      assert.ok(!unread.includes(2));
    } finally {
      await pool.close();
      fs.closeSync(fd);
    }
  });
});

describe('send of a sparse file', () => {
  it('writes the same stream as for a file without holes', async () => {
    const data = fc.record({
      at: fc.nat(200).map((page) => page * 4096),
      length: fc.integer({ min: 1, max: 40_000 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 900_000, max: 1_200_000 }),
        fc.array(data, { maxLength: 5 }),
        async (size, places) => {
          await sameWithAndWithoutHoles(size, places);
        },
      ),
      { numRuns: 10 },
    );
  });

  for (const extras of [
    { selfCheck: true },
    { codec: 'none' },
    { compressLevel: 0 },
    { codec: 'zlib', compressLevel: 1 },
    { method: 'stream' },
    { directIo: true },
  ] as const satisfies readonly SendExtras[]) {
    it(`writes the same stream as for a file without holes, ${JSON.stringify(extras)}`, async () => {
      const size = 12 * CHUNK + 5000;
      await sameWithAndWithoutHoles(size, [{ at: 3 * CHUNK, length: 70_000 }], extras);
    });
  }

  it('carries the image unchanged', async () => {
    const { sparse, bytes } = await sameWithAndWithoutHoles(40 * CHUNK, [{ at: 9 * CHUNK, length: 9999 }]);
    const output = place.path('received');
    await receive({ input: place.file('stream', bytes), output });
    assert.ok(fs.readFileSync(output).equals(fs.readFileSync(sparse)));
  });

  it('rejects with ERR_INPUT_CHANGED, file truncated while its holes are sent', async () => {
    const input = makeSparse(64 * CHUNK, [{ at: 0, length: CHUNK }]);
    const output = place.path('sent');
    const calls = libc();
    if (calls === undefined) return;
    const seek = calls.seek.bind(calls);
    let asked = 0;
    mock.method(calls, 'seek', (fd: number, offset: number, whence: number): number => {
      if (asked++ === 2) fs.truncateSync(input, 8 * CHUNK);
      return seek(fd, offset, whence);
    });
    try {
      await assert.rejects(send({ input, output, format: 'raw', ...FIXED }), {
        code: 'ERR_INPUT_CHANGED',
      });
    } finally {
      mock.restoreAll();
    }
    assert.ok(!fs.existsSync(output));
  });
});
