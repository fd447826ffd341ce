// The cache of compiled code: where it is kept, and that no state of its directory changes what the program does.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import * as module from 'node:module';
import path from 'node:path';
import { describe, it } from 'node:test';

import { SHIPPED_COMMAND } from '../../lab/places.js';
import { temporaryDirectory } from '../link/support.js';

const skip = !('enableCompileCache' in module) && 'this Node has no compile cache';

/** Asks for the version, with this cache directory. */
function run(cache: string): { readonly output: string; readonly code: string } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [SHIPPED_COMMAND, '--version'], {
    env: { ...process.env, XDG_CACHE_HOME: cache },
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  return { output: stdout, code: path.join(cache, 'ramferry/code') };
}

describe('the cache of compiled code', () => {
  it('is kept in a private directory of the user', { skip }, () => {
    const { code } = run(temporaryDirectory());
    assert.equal(fs.statSync(path.dirname(code)).mode & 0o777, 0o700);
    assert.ok(fs.readdirSync(code).length > 0);
  });

  it('is not used in a directory that others may write to', () => {
    const cache = temporaryDirectory();
    fs.mkdirSync(path.join(cache, 'ramferry'));
    fs.chmodSync(path.join(cache, 'ramferry'), 0o777);
    assert.ok(!fs.existsSync(run(cache).code));
  });

  it('is not used behind a symbolic link', () => {
    const cache = temporaryDirectory();
    fs.symlinkSync(temporaryDirectory(), path.join(cache, 'ramferry'));
    assert.ok(!fs.existsSync(run(cache).code));
  });

  it('may be missing: the program runs where no directory can be made', () => {
    assert.match(run('/proc').output, /^\d+\.\d+\.\d+\n$/);
  });

  it('may be damaged', { skip }, () => {
    const cache = temporaryDirectory();
    const { code } = run(cache);
    for (const version of fs.readdirSync(code)) {
      for (const file of fs.readdirSync(path.join(code, version))) {
        fs.writeFileSync(path.join(code, version, file), 'damaged');
      }
    }
    assert.match(run(cache).output, /^\d+\.\d+\.\d+\n$/);
  });
});
