// The functions of the live guest's script, run by busybox on this host with another directory in place of /mem.
// Skipped where busybox is missing.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { accessSync, constants, linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { scratchDirectory } from '../../lab/cleanup.js';
import { keepConsoles } from '../../lab/qemu/consoles.js';

const SCRIPT = fileURLToPath(new URL('../../../lab/qemu/guest-init.sh', import.meta.url));
const BUSYBOX = '/usr/bin/busybox';

function missing(): string | false {
  try {
    accessSync(BUSYBOX, constants.X_OK);
    return false;
  } catch {
    return `${BUSYBOX} is not installed`;
  }
}

/** Runs `commands` after the script's functions. @returns standard output; rejects when the shell ends with an error */
function run(mem: string, commands: string): string {
  const script = readFileSync(SCRIPT, 'utf8').replaceAll('/mem', mem);
  const functions = [...script.matchAll(/^\w+\(\) \{\n[^]*?^\}\n/gm)].map(([text]) => text).join('');
  return execFileSync(BUSYBOX, ['sh', '-c', `${functions}\n${commands}`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

describe('guest-init.sh', { skip: missing() }, () => {
  for (const [condition, contents] of [
    ['an empty file', ''],
    ['a file without figures', 'dirty\n'],
    ['a file with a size of 0', 'dirty 0 64\n'],
  ] as const) {
    it(`check refuses ${condition} and the shell goes on`, () => {
      const { path, remove } = scratchDirectory();
      try {
        writeFileSync(join(path, 'place'), contents);
        assert.match(run(path, 'check; echo on'), /^answer bad.*\non\n$/);
      } finally {
        remove();
      }
    });
  }

  it('dirty puts a whole file in the place of the one that check reads', () => {
    const { path, remove } = scratchDirectory();
    try {
      const place = join(path, 'place');
      writeFileSync(place, 'old');
      linkSync(place, join(path, 'before'));
      writeFileSync(join(path, 'stop'), '');
      run(path, 'mode=dirty; dirty 1 64');
      // A file written in place would have the same inode, and would be empty for a moment.
      assert.notEqual(statSync(place).ino, statSync(join(path, 'before')).ino);
      assert.equal(readFileSync(place, 'utf8'), 'dirty 64 64\n');
    } finally {
      remove();
    }
  });
});

describe('keepConsoles', () => {
  it('keeps the console of each machine, when the run fails', async () => {
    const machines = [
      { name: 'one', console: 'tick 1\n' },
      { name: 'other', console: 'panic\n' },
    ];
    const failed = await keepConsoles(machines, () => Promise.reject(new Error('no'))).catch(
      (thrown: unknown) => thrown as Error,
    );
    assert.ok(failed instanceof Error);
    const paths = /^no\nconsoles: (\S+) (\S+)$/.exec(failed.message)!;
    assert.deepEqual(
      paths.slice(1).map((path) => readFileSync(path, 'utf8')),
      machines.map(({ console }) => console),
    );
    rmSync(dirname(paths[1]!), { recursive: true });
  });
});
