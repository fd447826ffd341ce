// The cache of compiled code: where it is kept, that a second start takes it, and that no state of its directory changes what the program
// does.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';

import { SHIPPED_COMMAND } from '../../../lab/places.js';
import { MIB } from '../../../src/units.js';
import { temporaryDirectory } from '../../link/support.js';

/** Runs the command with this cache directory. @returns its output */
function run(cache: string, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [SHIPPED_COMMAND, ...args], {
    env: { ...process.env, XDG_CACHE_HOME: cache },
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  return stdout;
}

/** Sends a file of this length into another. @returns the stream */
function send(cache: string, bytes: number): Buffer {
  const folder = temporaryDirectory();
  const [image, stream] = [path.join(folder, 'image'), path.join(folder, 'stream')];
  fs.writeFileSync(image, Buffer.alloc(bytes, 'memory of a guest '));
  run(cache, 'send', '--quiet', image, `file:${stream}`);
  return fs.readFileSync(stream);
}

const codeIn = (cache: string): string => path.join(cache, 'ramferry/code');
/** The only file of kept code. */
function kept(cache: string): string {
  const files = fs.readdirSync(codeIn(cache));
  assert.equal(files.length, 1);
  return path.join(codeIn(cache), files[0]!);
}

describe('the cache of compiled code', () => {
  it('is kept in a private directory of the user', () => {
    const cache = temporaryDirectory();
    run(cache, '--version');
    assert.equal(fs.statSync(path.dirname(codeIn(cache))).mode & 0o777, 0o700);
    assert.equal(fs.statSync(kept(cache)).mode & 0o777, 0o600);
  });

  it('is taken by the next start, which writes nothing', () => {
    const cache = temporaryDirectory();
    const first = send(cache, 4096);
    const { ino } = fs.statSync(kept(cache));
    assert.deepEqual(send(cache, 4096), first);
    assert.equal(fs.statSync(kept(cache)).ino, ino);
  });

  it('is accepted after a transfer in which the command has changed flags of V8', () => {
    const cache = temporaryDirectory();
    const first = send(cache, 96 * MIB);
    const { ino } = fs.statSync(kept(cache));
    assert.deepEqual(send(cache, 96 * MIB), first);
    assert.equal(fs.statSync(kept(cache)).ino, ino);
  });

  it('is not used in a directory that others may write to', () => {
    const cache = temporaryDirectory();
    fs.mkdirSync(path.join(cache, 'ramferry'));
    fs.chmodSync(path.join(cache, 'ramferry'), 0o777);
    run(cache, '--version');
    assert.ok(!fs.existsSync(codeIn(cache)));
  });

  it('is not used behind a symbolic link', () => {
    const cache = temporaryDirectory();
    fs.symlinkSync(temporaryDirectory(), path.join(cache, 'ramferry'));
    run(cache, '--version');
    assert.ok(!fs.existsSync(codeIn(cache)));
  });

  it('may be missing: the program runs where no directory can be made', () => {
    assert.match(run('/proc', '--version'), /^\d+\.\d+\.\d+\n$/);
  });

  for (const [what, damage] of [
    ['another text', () => Buffer.from('damaged!')],
    ['empty', () => Buffer.alloc(0)],
    ['cut', (code: Buffer) => code.subarray(0, -4096)],
    ['changed in one bit', (code: Buffer) => flip(code, Math.floor(code.length / 3))],
  ] as const) {
    it(`is replaced when it is damaged: ${what}`, () => {
      const cache = temporaryDirectory();
      run(cache, '--version');
      const file = kept(cache);
      const code = fs.readFileSync(file);
      fs.writeFileSync(file, damage(Buffer.from(code)));
      assert.match(run(cache, '--version'), /^\d+\.\d+\.\d+\n$/);
      const replaced = fs.readFileSync(file);
      const half = replaced.length / 2;
      assert.ok(half > code.length / 4);
      assert.deepEqual(replaced.subarray(0, half), replaced.subarray(half));
    });
  }

  it('keeps no more than 16 files', () => {
    const cache = temporaryDirectory();
    run(cache, '--version');
    for (let index = 0; index < 20; index++) {
      const file = path.join(codeIn(cache), `old-${index}`);
      fs.writeFileSync(file, '');
      fs.utimesSync(file, index, index);
    }
    send(cache, 4096);
    const left = fs.readdirSync(codeIn(cache));
    assert.equal(left.length, 16);
    assert.equal(left.filter((name) => !name.startsWith('old-')).length, 2);
  });

  it('keeps nothing of a command that fails', () => {
    const cache = temporaryDirectory();
    const { status } = spawnSync(process.execPath, [SHIPPED_COMMAND, 'send', '/missing', 'file:/missing'], {
      env: { ...process.env, XDG_CACHE_HOME: cache },
    });
    assert.notEqual(status, 0);
    assert.deepEqual(fs.readdirSync(codeIn(cache)), []);
  });
});

function flip(code: Buffer, at: number): Buffer {
  code[at]! ^= 1;
  return code;
}
