// The room of pipes that ramferry reads from and writes to.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { libc } from '../../src/os/libc.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import { KIB, MIB } from '../../src/units.js';
import { pattern, readExactly, sinkOf, sourceOf } from './support.js';

const calls = libc();
const maxSize = Number(fs.readFileSync('/proc/sys/fs/pipe-max-size', 'utf8'));

interface Passing {
  readonly end: 'input' | 'output';
  /** Room of the pipe before. */
  readonly before: number;
  /** OpenOptions.pipeRoom of the output. */
  readonly pipeRoom?: number;
}

/** The room of a pipe after `bytes` bytes have gone through it. */
async function roomAfter(bytes: number, { end, before, pipeRoom }: Passing): Promise<number> {
  const [reading, writing] = calls!.pipe()!;
  calls!.setPipeSize(writing, before);
  const sent = pattern(bytes);
  const write = (piece: Uint8Array, done: (error: Error | null) => void): void => {
    fs.write(writing, piece, (error, count) => {
      if (error !== null || count === piece.length) done(error);
      else write(piece.subarray(count), done);
    });
  };
  const read = (at: number, done: (error: Error | null) => void): void => {
    fs.read(reading, Buffer.alloc(32 * KIB), (error, count) => {
      if (error !== null || at + count === bytes) done(error);
      else read(at + count, done);
    });
  };
  if (end === 'input') {
    const input = await openInput(parseAddress(`fd:${reading}`));
    const written = new Promise<unknown>((resolve) => write(sent, resolve));
    assert.ok((await readExactly(sourceOf(input), bytes)).equals(sent));
    assert.equal(await written, null);
    await sourceOf(input).close();
  } else {
    const output = await openOutput(parseAddress(`fd:${writing}`), { pipeRoom });
    const taken = new Promise<unknown>((resolve) => read(0, resolve));
    await sinkOf(output).write(sent);
    assert.equal(await taken, null);
    await sinkOf(output).finish();
  }
  const room = calls!.pipeSize(reading);
  fs.closeSync(reading);
  fs.closeSync(writing);
  return room;
}

describe('room of a pipe', { skip: calls === undefined && 'koffi has no binary here' }, () => {
  const before = 64 * KIB;

  it('grows to one chunk, long input', async () => {
    assert.equal(await roomAfter(MIB, { end: 'input', before }), Math.min(MIB, maxSize));
  });

  it('grows to what was requested, long output', async () => {
    const pipeRoom = 256 * KIB;
    assert.equal(await roomAfter(MIB, { end: 'output', before, pipeRoom }), Math.min(pipeRoom, maxSize));
  });

  it('stays as it is, output without a request', async () => {
    assert.equal(await roomAfter(MIB, { end: 'output', before }), before);
  });

  it('stays as it is, short stream', async () => {
    assert.equal(await roomAfter(32 * KIB, { end: 'input', before }), before);
    assert.equal(await roomAfter(32 * KIB, { end: 'output', before, pipeRoom: MIB }), before);
  });

  it('never shrinks, pipe that is larger already', async () => {
    const larger = Math.min(MIB, maxSize);
    assert.equal(await roomAfter(MIB, { end: 'output', before: larger, pipeRoom: 256 * KIB }), larger);
  });

  it('of a closed descriptor is an error number', () => {
    assert.ok(calls!.pipeSize(999_999) < 0);
    assert.ok(calls!.setPipeSize(999_999, MIB) < 0);
  });
});

describe(
  'bytes that the reader of an output pipe has not taken',
  {
    skip: calls === undefined && 'koffi has no binary here',
  },
  () => {
    it('include a pending write, and fall as the reader reads', async () => {
      const [reading, writing] = calls!.pipe()!;
      const sink = sinkOf(await openOutput(parseAddress(`fd:${writing}`)));
      assert.equal(sink.unread!(), 0);
      const writtenAll = sink.write(pattern(MIB));
      assert.equal(sink.unread!(), MIB);
      assert.equal(fs.readSync(reading, Buffer.alloc(40_000)), 40_000);
      assert.equal(sink.unread!(), MIB - 40_000);
      const read = Buffer.alloc(64 * KIB);
      for (let left = MIB - 40_000; left > 0; await new Promise(setImmediate)) {
        if (calls!.unread(reading) > 0) left -= fs.readSync(reading, read);
      }
      await writtenAll;
      assert.equal(sink.unread!(), 0);
      await sink.finish();
      assert.equal(sink.unread!(), undefined);
      fs.closeSync(reading);
      fs.closeSync(writing);
    });
  },
);
