// Limits for a received stream: memory within the memory limit, output within --max-size or the announced length, and decoding work in
// proportion to its contents. The receiver refuses a stream beyond a limit with exit status 5, before it spends the resource.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Buffer } from 'node:buffer';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';

import { type ErrorCode, RamferryError } from '../../../src/errors.js';
import type { ReceiveOptions, SendOptions } from '../../../src/options/transfer.js';
import { receive } from '../../../src/transfer/receive.js';
import { send } from '../../../src/transfer/send.js';
import { MIB } from '../../../src/units.js';
import { memoryLike, zstdZeros } from '../../container/frames/helpers.js';
import { workplace } from '../support/carry.js';
import { changedHead, takeApart, putTogether } from '../support/streams.js';

const LIMIT = { timeout: 120_000 };
const place = workplace();

async function unpack(stream: Buffer, options: Partial<ReceiveOptions> = {}): Promise<Buffer> {
  const output = place.path('restored');
  try {
    await receive({ input: place.file('stream', stream), output, decompressThreads: 2, ...options });
  } catch (thrown) {
    assert.ok(!existsSync(output), 'an output was published');
    throw thrown;
  }
  return readFileSync(output);
}

async function pack(bytes: Buffer, options: Partial<SendOptions> = {}): Promise<Buffer> {
  const output = place.path('packed');
  await send({ input: place.file('plain', bytes), output, compressThreads: 1, ...options });
  return readFileSync(output);
}

async function refused(
  stream: Buffer,
  options: Partial<ReceiveOptions> = {},
  code: ErrorCode = 'ERR_STREAM_LIMIT',
): Promise<RamferryError> {
  const thrown: unknown = await unpack(stream, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof RamferryError, String(thrown));
  assert.equal(thrown.code, code, thrown.message);
  assert.equal(thrown.exitCode, 5);
  return thrown;
}

function tool(command: string, input: Buffer): Buffer {
  const [program, ...args] = command.split(' ');
  const { status, stdout, stderr } = spawnSync(program!, args, { input, maxBuffer: 256 * MIB });
  assert.equal(status, 0, String(stderr));
  return stdout;
}

function missing(program: string): string | false {
  return spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`;
}

describe('receive, pzstd frames', () => {
  const plain = memoryLike(9_000_000);

  for (const [level, threads] of [
    [9, 2],
    [3, 4],
    [19, 4],
  ] as const) {
    it(
      `decodes, level ${level} and ${threads} threads, or one thread where the memory does not suffice for all`,
      { skip: missing('pzstd'), ...LIMIT },
      async () => {
        const stream = tool(`pzstd -q -${level} -p 2 -c`, plain);
        assert.ok((await unpack(stream, { decompressThreads: threads })).equals(plain));
      },
    );
  }

  it('decodes, frames with growing windows in sequence', { skip: missing('pzstd'), ...LIMIT }, async () => {
    const parts = [1, 3, 19].map((level) => tool(`pzstd -q -${level} -p 2 -c`, plain));
    const restored = await unpack(Buffer.concat(parts));
    assert.ok(restored.equals(Buffer.concat([plain, plain, plain])));
  });
});

describe('receive, memory limit', () => {
  it('refuses a foreign zstd frame, window above the limit', LIMIT, async () => {
    // A frame that claims a window of 128 MiB and holds one byte.
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3, 0x09, 0x00, 0x00, 0x61]);
    assert.equal((await unpack(frame)).toString(), 'a');
    const { hint } = await refused(frame, { memoryLimit: '160MiB' });
    assert.match(hint!, /raise --memory-limit by \d+/);
    assert.equal((await unpack(frame, { memoryLimit: '212MiB' })).toString(), 'a');
  });

  it('accepts a larger window of a foreign zstd frame, limit raised', LIMIT, async () => {
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (28 - 10) << 3, 0x09, 0x00, 0x00, 0x61]);
    await refused(frame);
    assert.equal((await unpack(frame, { memoryLimit: '512MiB' })).toString(), 'a');
  });

  it('refuses a stream that announces more, and names a sufficient limit', LIMIT, async () => {
    const bytes = memoryLike(100_000);
    const { head, ...rest } = takeApart(await pack(bytes));
    const greedy = putTogether({
      ...rest,
      head: changedHead(head, (copy) => copy.writeUInt32LE(64 * MIB, 20)),
    });
    const { hint } = await refused(greedy, { memoryLimit: '160MiB' });
    const enough = /--memory-limit (\S+) or more/.exec(hint!)![1]!;
    assert.ok((await unpack(greedy, { memoryLimit: enough })).equals(bytes));
  });

  it('refuses a stream of `send --window`, default limit, and names a sufficient limit', LIMIT, async () => {
    const bytes = memoryLike(200_000);
    const stream = await pack(bytes, { window: '64MiB', memoryLimit: '1GiB' });
    const { hint } = await refused(stream);
    const enough = /--memory-limit (\S+) or more/.exec(hint!)![1]!;
    assert.ok((await unpack(stream, { memoryLimit: enough })).equals(bytes));
  });
});

describe('receive, output size', () => {
  const bytes = memoryLike(300_000);

  for (const [name, options] of [
    ['native', {}],
    ['zstd frames', { method: 'stream' }],
    ['gzip frames', { method: 'stream', codec: 'zlib' }],
  ] as const) {
    it(`refuses output above maxSize, ${name}`, LIMIT, async () => {
      const stream = await pack(bytes, options);
      await refused(stream, { maxSize: bytes.length - 1 });
      assert.ok((await unpack(stream, { maxSize: bytes.length })).equals(bytes));
    });
  }

  it('refuses output above maxSize, pass-through', LIMIT, async () => {
    await refused(bytes, { passThrough: true, maxSize: '64KiB' });
    assert.ok((await unpack(bytes, { passThrough: true, maxSize: '1MiB' })).equals(bytes));
  });

  it('refuses output above maxSize, foreign frame of zeros', LIMIT, async () => {
    await refused(zstdZeros(8192), { maxSize: '16MiB' });
  });

  it('refuses output above the length that the stream header announces', LIMIT, async () => {
    const { head, ...rest } = takeApart(await pack(bytes));
    const announced = (length: number): Buffer =>
      putTogether({ ...rest, head: changedHead(head, (copy) => copy.writeBigUInt64LE(BigInt(length), 40)) });
    await refused(announced(bytes.length - 1));
    await refused(announced(0));
    assert.ok((await unpack(announced(bytes.length + 1))).equals(bytes));
  });
});

describe('receive, decoding work', () => {
  const word = (value: number): Buffer => {
    const four = Buffer.alloc(4);
    four.writeUInt32LE(value);
    return four;
  };

  it('refuses many empty gzip members, and accepts few', LIMIT, async () => {
    const empty = gzipSync(Buffer.alloc(0));
    await refused(Buffer.concat(Array.from({ length: 5000 }, () => empty)));
    const few = [gzipSync('memory'), ...Array.from({ length: 500 }, () => empty)];
    assert.equal((await unpack(Buffer.concat(few))).toString(), 'memory');
  });

  it('refuses many LZ4 blocks of one byte, and accepts few', LIMIT, async () => {
    const head = Buffer.from('04224d186040' + '82', 'hex');
    const blocks = Array.from({ length: 5000 }, () => Buffer.concat([word(0x80000001), Buffer.from('x')]));
    await refused(Buffer.concat([head, ...blocks, word(0)]));
    const some = Buffer.concat([head, ...blocks.slice(0, 500), word(0)]);
    assert.equal((await unpack(some)).length, 500);
  });

  it('refuses many empty skippable frames, zstd frames and blocks', LIMIT, async () => {
    const skippable = Buffer.from('532a4d1800000000', 'hex');
    await refused(Buffer.concat(Array.from({ length: 5000 }, () => skippable)));
    const frame = Buffer.from('28b52ffd2000010000', 'hex');
    assert.equal((await unpack(frame)).length, 0);
    await refused(Buffer.concat(Array.from({ length: 5000 }, () => frame)));
    const blocks = Buffer.concat([
      Buffer.from('28b52ffd0050', 'hex'),
      Buffer.alloc(3 * 5000),
      Buffer.from('010000', 'hex'),
    ]);
    await refused(blocks);
  });

  it('accepts a frame of zeros in many small blocks', LIMIT, async () => {
    const restored = await unpack(zstdZeros(8192, undefined));
    assert.equal(restored.length, 2 ** 30);
  });
});
