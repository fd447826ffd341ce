// What killed processes leave is removed, and nothing else.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';

import { removeStale, temporaryIn } from '../../src/io/file/temporaries.js';

function directory(test: TestContext): string {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-'));
  test.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

/** The name that a process of this kind, which has ended or still runs, would have given. */
async function nameOf(place: string, what: 'dead' | 'alive', test: TestContext): Promise<string> {
  const script = `import(process.argv[1]).then(({ temporaryIn }) => { console.log(temporaryIn(process.argv[2])); process.stdin.resume(); })`;
  const module = new URL('../../src/io/file/temporaries.js', import.meta.url).href;
  const child = spawn(process.execPath, ['-e', script, module, place]);
  test.after(() => child.kill('SIGKILL'));
  const [name] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  if (what === 'dead') {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  return name.trim();
}

describe('temporaries', () => {
  it('of a killed process are removed, those of a live one kept', async (test) => {
    const place = directory(test);
    const dead = await nameOf(place, 'dead', test);
    const alive = await nameOf(place, 'alive', test);
    const own = temporaryIn(place);
    for (const name of [dead, alive, own]) fs.writeFileSync(name, 'guest memory');
    assert.deepEqual(removeStale(place), [path.basename(dead)]);
    assert.deepEqual(fs.readdirSync(place).sort(), [alive, own].map((name) => path.basename(name)).sort());
  });

  it('of a dead process are removed, pid reused', (test) => {
    const place = directory(test);
    const before = temporaryIn(place).replace(/-\d+-([0-9a-f]{16}\.tmp)$/, '-1-$1');
    fs.writeFileSync(before, '');
    assert.deepEqual(removeStale(place), [path.basename(before)]);
  });

  it('of other hosts and namespaces are kept, and files with other names', async (test) => {
    const place = directory(test);
    const dead = await nameOf(place, 'dead', test);
    const names = [
      dead.replace(/\.ramferry-[0-9a-f]{16}/, '.ramferry-0123456789abcdef'),
      dead.replace(/-\d+-([0-9a-f]{16}\.tmp)$/, '-0-$1'),
      `${dead}.gz`,
      path.join(place, '.ramferry-0123456789abcdef.tmp'),
    ];
    for (const name of names) fs.writeFileSync(name, '');
    fs.mkdirSync(dead);
    assert.deepEqual(removeStale(place), []);
    assert.equal(fs.readdirSync(place).length, names.length + 1);
  });

  it('are skipped, unreadable directory', () => {
    assert.deepEqual(removeStale('/no/such/directory'), []);
  });
});
