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

/** The room of a pipe after `bytes` bytes have gone through it. */
async function roomAfter(bytes: number, end: 'input' | 'output', before?: number): Promise<number> {
  const [reading, writing] = calls!.pipe()!;
  if (before !== undefined) calls!.setPipeSize(writing, before);
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
    const output = await openOutput(parseAddress(`fd:${writing}`));
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
  const usual = 64 * KIB;

  it('grows to one chunk, long input', async () => {
    assert.equal(await roomAfter(MIB, 'input', usual), Math.min(MIB, maxSize));
  });

  it('grows to that of a unix socket, long output', async () => {
    assert.equal(await roomAfter(MIB, 'output', usual), Math.min(256 * KIB, maxSize));
  });

  it('stays as it is, short stream', async () => {
    assert.equal(await roomAfter(32 * KIB, 'input', usual), usual);
    assert.equal(await roomAfter(32 * KIB, 'output', usual), usual);
  });

  it('never shrinks, pipe that is larger already', async () => {
    assert.equal(await roomAfter(MIB, 'output', Math.min(MIB, maxSize)), Math.min(MIB, maxSize));
  });

  it('of a closed descriptor is an error number', () => {
    assert.ok(calls!.pipeSize(999_999) < 0);
    assert.ok(calls!.setPipeSize(999_999, MIB) < 0);
  });
});
