// Positioned reads and writes are exact though the system moves less than asked; direct reads, where there are any.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, describe, it, mock } from 'node:test';
import { RamferryError, type ErrorCode } from '../../src/errors.js';
import { libc } from '../../src/os/libc.js';
import { directPlaces, openDirect, readDirectAt } from '../../src/io/file/direct.js';
import { readExactlyAt, writeExactlyAt } from '../../src/io/file/positioned.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-io-'));
after(() => fs.rmSync(directory, { recursive: true, force: true }));
afterEach(() => mock.restoreAll());

const file = path.join(directory, 'file');
const fd = fs.openSync(file, 'w+');
after(() => fs.closeSync(fd));

const withCode = (code: ErrorCode, offset?: number) => (thrown: unknown) => {
  assert.ok(thrown instanceof RamferryError && thrown.code === code, String(thrown));
  if (offset !== undefined) assert.equal(thrown.place.offset, offset);
  return true;
};

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);

/** The system moves at most 7 bytes at a time, and is interrupted now and then. */
function moveLittle(call: 'readSync' | 'writeSync'): void {
  const real = fs[call] as (...args: unknown[]) => number;
  let turn = 0;
  mock.method(fs, call, ((...args: unknown[]) => {
    turn += 1;
    if (turn % 3 === 0) throw Object.assign(new Error('interrupted'), { code: 'EINTR' });
    args[3] = Math.min(args[3] as number, 7);
    return real.apply(fs, args);
  }) as never);
}

describe('positioned reads and writes', () => {
  it('move all bytes and keep the file offset, short system calls', () => {
    moveLittle('writeSync');
    writeExactlyAt(fd, bytes, 5000);
    moveLittle('readSync');
    const target = new Uint8Array(new SharedArrayBuffer(1000));
    readExactlyAt(fd, target, 5000);
    assert.deepEqual(Uint8Array.from(target), bytes);
    mock.restoreAll();
    assert.match(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'), /^pos:\s*0$/m);
  });

  it('name the offset of the end, file too short', () => {
    fs.ftruncateSync(fd, 600);
    assert.throws(() => readExactlyAt(fd, new Uint8Array(200), 500), withCode('ERR_INPUT_CHANGED', 600));
    assert.throws(() => readExactlyAt(fd, new Uint8Array(1), 600), withCode('ERR_INPUT_CHANGED', 600));
    readExactlyAt(fd, new Uint8Array(0), 600);
  });

  it('convert system errors to RamferryError', () => {
    const closed = fs.openSync(file, 'r');
    assert.throws(() => writeExactlyAt(closed, bytes, 0), withCode('ERR_OUTPUT_WRITE'));
    fs.closeSync(closed);
    assert.throws(() => readExactlyAt(closed, new Uint8Array(1), 0), withCode('ERR_INPUT_READ'));
  });
});

describe('direct reads', () => {
  const large = path.join(directory, 'large');
  const contents = Uint8Array.from({ length: 100_001 }, (_, i) => i % 239);
  fs.writeFileSync(large, contents);
  const direct = openDirect(large);
  after(() => direct !== undefined && fs.closeSync(direct.fd));
  const skip = direct === undefined && 'this file system has no direct I/O';
  const noLibc = libc() === undefined && 'koffi has no binary for this machine';

  it('return the same bytes, end of file within a block', { skip }, () => {
    const memory = new SharedArrayBuffer(1 << 18);
    const places = directPlaces(direct!.fd, memory);
    assert.ok(places !== undefined);
    const target = new Uint8Array(memory, places.offset);
    for (const [position, length] of [
      [0, 65_536],
      [65_536, 100_001 - 65_536],
    ] as const) {
      readDirectAt(direct!.fd, target, length, position, places.alignment);
      assert.deepEqual(target.slice(0, length), contents.slice(position, position + length));
    }
    const beyond = (): void => readDirectAt(direct!.fd, target, 40_000, 65_536, places.alignment);
    assert.throws(beyond, withCode('ERR_INPUT_CHANGED'));
  });

  it('begin at a page boundary, any memory', { skip: skip || noLibc }, () => {
    // Once large memory was given back, malloc serves later requests of that size from its heap, at any multiple of 16.
    for (let round = 0; round < 20; round++) {
      const memory = new SharedArrayBuffer((1 << 18) + round * 4096);
      const places = directPlaces(direct!.fd, memory)!;
      assert.equal(libc()!.toPage(memory), places.offset);
      assert.equal(libc()!.toPage(memory) % 16, 0);
    }
  });

  it('are unavailable on some file systems', () => {
    assert.equal(openDirect('/proc/self/status'), undefined);
  });
});
