// Method `stream` and other tools: ramferry reads the output of zstd, pzstd, lz4, gzip and pigz, and they read ramferry's
// output. A tool that is not installed is skipped, with a message.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';

import { receive as receiveTransfer } from '../../src/index.js';
import { decodeForeign, memoryLike, receive, rejectsWith, send } from '../container/frames/helpers.js';

const LARGEST = 64 * 1024 * 1024;
/** Inputs with more than one block of every format and more than one chunk, and with uneven lengths. */
const INPUTS: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('x'),
  'a little memory': memoryLike(3_000_001),
};

/** Commands that compress from standard input, and how the receiver reads the result. */
const WRITERS: readonly (readonly [command: string, kinds: 'chunk' | 'stream' | 'rest'])[] = [
  ['zstd -1', 'stream'],
  ['zstd -19 --long=27', 'stream'],
  ['zstd -T0', 'stream'],
  ['zstd -5 --no-check', 'stream'],
  ['zstd --fast=3', 'stream'],
  ['pzstd -1 -p 2', 'chunk'],
  ['pzstd -p 2', 'chunk'],
  ['pzstd --ultra -20', 'rest'],
  ['lz4 -1', 'stream'],
  ['lz4 -9 -BD -B4', 'stream'],
  ['lz4 -BD -B5 -BX', 'stream'],
  ['lz4 --no-frame-crc -B6', 'stream'],
  ['gzip', 'stream'],
  ['gzip -1 -n', 'stream'],
  ['pigz', 'stream'],
  ['pigz -i -p 2', 'stream'],
];

/** Commands that read ramferry's output. */
const READERS = {
  zstd: ['zstd -dc', 'pzstd -dc', 'pzstd -dc -p 4', 'zstd -dc -T2'],
  lz4: ['lz4 -dc'],
  zlib: ['gzip -dc', 'pigz -dc', 'zcat'],
} as const;
const TESTERS = { zstd: ['zstd -tq'], lz4: ['lz4 -tq'], zlib: ['gzip -t', 'pigz -t'] } as const;

describe('streams of standard tools', () => {
  for (const [command, kind] of WRITERS) {
    it(`are read, written by ${command}`, { skip: missing(command) }, async () => {
      for (const [name, input] of Object.entries(INPUTS)) {
        const stream = run(`${command} -c`, input);
        const { decoded, kinds } = await receive(stream);
        assert.ok(decoded.equals(input), name);
        if (input.length > 1) assert.ok(kinds.includes(kind), kinds.join());
        assert.ok((await decodeForeign(stream, { step: 4099 })).equals(input), `${name}, in one thread`);
      }
    });
  }

  it('are refused, written by zstd --long=28', { skip: missing('zstd') }, async () => {
    const stream = run('zstd -1 --long=28 -c', INPUTS['one byte']!);
    const error = await rejectsWith(() => receive(stream), 'ERR_STREAM_LIMIT');
    assert.match(error.hint ?? '', /--memory-limit/);
  });

  it(
    'of pzstd are read though they have more frames than the receiver has slots',
    { skip: missing('pzstd'), timeout: 60_000 },
    async () => {
      const input = memoryLike(20_000_000);
      const output = new PassThrough();
      const received = buffer(output);
      const stream = Readable.from([run('pzstd -1 -p 2 -c', input)]);
      const { status } = await receiveTransfer({ input: stream, output, decompressThreads: 2 });
      assert.equal(status, 'unverified');
      assert.ok((await received).equals(input));
    },
  );

  it('are read one after the other', { skip: missing('zstd') || missing('pzstd') }, async () => {
    const input = memoryLike(100_000);
    const parts = ['pzstd -c', 'zstd -c', 'pzstd -c'].map((command) => run(command, input));
    const { decoded } = await receive(Buffer.concat(parts));
    assert.ok(decoded.equals(Buffer.concat([input, input, input])));
  });
});

describe('streams of ramferry', () => {
  for (const format of ['zstd', 'lz4', 'zlib'] as const) {
    for (const command of READERS[format]) {
      it(`are read by ${command}, ${format}`, { skip: missing(command) }, async () => {
        for (const [name, input] of Object.entries(INPUTS)) {
          for (const [chunkSize, level] of [
            [65_536, 1],
            [700_003, 0],
            [LARGEST, 3],
          ] as const) {
            const stream = await send(format, input, chunkSize, level);
            assert.ok(run(command, stream).equals(input), `${name} in chunks of ${chunkSize}`);
          }
        }
      });
    }

    for (const command of TESTERS[format]) {
      it(
        `of ${format} pass ${command}, and fail it when they are damaged`,
        { skip: missing(command) },
        async () => {
          const stream = await send(format, INPUTS['a little memory']!, 500_000);
          run(command, stream);
          stream[stream.length >> 1]! ^= 0x20;
          assert.notEqual(execute(command, stream).status, 0);
        },
      );
    }
  }
});

function execute(command: string, input: Buffer): ReturnType<typeof spawnSync> {
  const [program, ...options] = command.split(' ');
  return spawnSync(program!, options, { input, maxBuffer: LARGEST });
}

function run(command: string, input: Buffer): Buffer {
  const { status, stdout, stderr, error } = execute(command, input);
  assert.equal(error, undefined);
  assert.equal(status, 0, `${command}: ${String(stderr)}`);
  return stdout as Buffer;
}

function missing(command: string): string | false {
  const [program] = command.split(' ');
  return spawnSync(program!, ['--version']).error === undefined ? false : `${program!} is not installed`;
}
