// What a received stream may ask for: memory within the limit, output within --max-size or what was announced, and work in
// proportion to what it holds. What does not fit is refused as the stream's fault (exit status 5), before it costs anything.

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

describe('frames of pzstd', () => {
  const plain = memoryLike(9_000_000);

  for (const [level, threads] of [
    [9, 2],
    [3, 4],
    [19, 4],
  ] as const) {
    it(
      `decode with ${threads} threads at level ${level}, by one thread where the workers have no room`,
      { skip: missing('pzstd'), ...LIMIT },
      async () => {
        const stream = tool(`pzstd -q -${level} -p 2 -c`, plain);
        assert.ok((await unpack(stream, { decompressThreads: threads })).equals(plain));
      },
    );
  }

  it('may follow each other with growing windows', { skip: missing('pzstd'), ...LIMIT }, async () => {
    const parts = [1, 3, 19].map((level) => tool(`pzstd -q -${level} -p 2 -c`, plain));
    const restored = await unpack(Buffer.concat(parts));
    assert.ok(restored.equals(Buffer.concat([plain, plain, plain])));
  });
});

describe('the memory limit', () => {
  it('holds for the window of a foreign zstd frame', LIMIT, async () => {
    // A frame that claims a window of 128 MiB and holds one byte.
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3, 0x09, 0x00, 0x00, 0x61]);
    assert.equal((await unpack(frame)).toString(), 'a');
    const { hint } = await refused(frame, { memoryLimit: '160MiB' });
    assert.match(hint!, /raise --memory-limit by \d+/);
    assert.equal((await unpack(frame, { memoryLimit: '212MiB' })).toString(), 'a');
  });

  it('allows a larger window of a foreign zstd frame when it is raised', LIMIT, async () => {
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (28 - 10) << 3, 0x09, 0x00, 0x00, 0x61]);
    await refused(frame);
    assert.equal((await unpack(frame, { memoryLimit: '512MiB' })).toString(), 'a');
  });

  it('refuses a stream that announces more, and names a limit that is enough', LIMIT, async () => {
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

  it(
    'refuses what `send --window` wrote under the default, and names the limit that reads it',
    LIMIT,
    async () => {
      const bytes = memoryLike(200_000);
      const stream = await pack(bytes, { window: '64MiB', memoryLimit: '1GiB' });
      const { hint } = await refused(stream);
      const enough = /--memory-limit (\S+) or more/.exec(hint!)![1]!;
      assert.ok((await unpack(stream, { memoryLimit: enough })).equals(bytes));
    },
  );
});

describe('the size of the output', () => {
  const bytes = memoryLike(300_000);

  for (const [name, options] of [
    ['native', {}],
    ['zstd frames', { method: 'stream' }],
    ['gzip frames', { method: 'stream', codec: 'zlib' }],
  ] as const) {
    it(`is bounded by maxSize (${name})`, LIMIT, async () => {
      const stream = await pack(bytes, options);
      await refused(stream, { maxSize: bytes.length - 1 });
      assert.ok((await unpack(stream, { maxSize: bytes.length })).equals(bytes));
    });
  }

  it('is bounded by maxSize where the stream passes through', LIMIT, async () => {
    await refused(bytes, { passThrough: true, maxSize: '64KiB' });
    assert.ok((await unpack(bytes, { passThrough: true, maxSize: '1MiB' })).equals(bytes));
  });

  it('is bounded by maxSize, foreign frames with endless zeros', LIMIT, async () => {
    await refused(zstdZeros(8192), { maxSize: '16MiB' });
  });

  it('is bounded by what the header of the stream announces', LIMIT, async () => {
    const { head, ...rest } = takeApart(await pack(bytes));
    const announced = (length: number): Buffer =>
      putTogether({ ...rest, head: changedHead(head, (copy) => copy.writeBigUInt64LE(BigInt(length), 40)) });
    await refused(announced(bytes.length - 1));
    await refused(announced(0));
    assert.ok((await unpack(announced(bytes.length + 1))).equals(bytes));
  });
});

describe('the work of decoding', () => {
  const word = (value: number): Buffer => {
    const four = Buffer.alloc(4);
    four.writeUInt32LE(value);
    return four;
  };

  it('is refused, empty gzip members', LIMIT, async () => {
    const empty = gzipSync(Buffer.alloc(0));
    await refused(Buffer.concat(Array.from({ length: 5000 }, () => empty)));
    const few = [gzipSync('memory'), ...Array.from({ length: 500 }, () => empty)];
    assert.equal((await unpack(Buffer.concat(few))).toString(), 'memory');
  });

  it('is refused, LZ4 blocks of one byte', LIMIT, async () => {
    const head = Buffer.from('04224d186040' + '82', 'hex');
    const blocks = Array.from({ length: 5000 }, () => Buffer.concat([word(0x80000001), Buffer.from('x')]));
    await refused(Buffer.concat([head, ...blocks, word(0)]));
    const some = Buffer.concat([head, ...blocks.slice(0, 500), word(0)]);
    assert.equal((await unpack(some)).length, 500);
  });

  it('is refused, empty skippable or zstd frames and blocks', LIMIT, async () => {
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

  it('is accepted, a frame of zeros in many small blocks', LIMIT, async () => {
    const restored = await unpack(zstdZeros(8192, undefined));
    assert.equal(restored.length, 2 ** 30);
  });
});
