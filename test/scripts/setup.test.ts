// scripts/setup in a small checkout of its own, with stand-ins for npm, the compiler and the bundler that record their
// calls.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

const scripts = join(import.meta.dirname, '../../../scripts');

// The stand-in compiler "emits" an empty file for every source; a source that says BROKEN is an error.
const compiler = `
const fs = require('fs'), path = require('path');
fs.appendFileSync('calls', 'tsc\\n');
for (const name of fs.readdirSync('src')) {
  if (fs.readFileSync(path.join('src', name), 'utf8').includes('BROKEN')) { console.log('error TS1: ' + name); process.exit(2); }
  fs.mkdirSync('dist/src', { recursive: true });
  fs.writeFileSync(path.join('dist/src', name.replace(/ts$/, 'js')), '');
}
`;
const bundler = `
import { appendFileSync, existsSync } from 'node:fs';
appendFileSync('calls', 'bundle\\n');
if (existsSync('bundle-fails')) { console.log('error: Could not resolve'); process.exit(1); }
`;
const npm = `#!/bin/sh
echo "npm $*" >>calls
echo 'added 1 package'
[ ! -e npm-fails ] || { echo 'npm error network'; exit 1; }
mkdir -p node_modules/typescript/bin
cp tsc.template node_modules/typescript/bin/tsc
sleep 0.2
touch node_modules/.package-lock.json
`;

describe('scripts/setup', () => {
  let checkout: string;
  let path: string;

  beforeEach(async () => {
    checkout = await mkdtemp(join(tmpdir(), 'ramferry-setup-'));
    path = join(checkout, 'bin') + delimiter + (process.env['PATH'] ?? '');
    await mkdir(join(checkout, 'bin'));
    await mkdir(join(checkout, 'src'));
    await cp(scripts, join(checkout, 'scripts'), { recursive: true });
    await writeFile(join(checkout, 'scripts/bundle.mjs'), bundler);
    await writeFile(join(checkout, 'bin/npm'), npm);
    await chmod(join(checkout, 'bin/npm'), 0o755);
    await writeFile(join(checkout, 'tsc.template'), compiler);
    await writeFile(join(checkout, 'src/a.ts'), '');
    for (const name of ['package.json', 'package-lock.json', 'tsconfig.json']) {
      await writeFile(join(checkout, name), '{}');
    }
  });
  afterEach(() => rm(checkout, { recursive: true, force: true }));

  function setup(
    environment: Record<string, string> = {},
  ): Promise<{ status: number; stdout: string; stderr: string }> {
    const env = { ...process.env, PATH: path, ...environment };
    return new Promise((resolve) => {
      execFile(join(checkout, 'scripts/setup'), { cwd: tmpdir(), env }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }
  const calls = async (): Promise<string[]> =>
    existsSync(join(checkout, 'calls'))
      ? (await readFile(join(checkout, 'calls'), 'utf8')).trim().split('\n')
      : [];
  const forgetCalls = (): Promise<void> => rm(join(checkout, 'calls'), { force: true });
  const silent = { status: 0, stdout: '', stderr: '' };
  const install = 'npm ci --no-audit --no-fund --include=dev --include=optional';

  it('installs and builds a fresh checkout without a word, and does nothing the second time', async () => {
    assert.deepEqual(await setup(), silent);
    assert.deepEqual(await calls(), [install, 'tsc', 'bundle']);
    assert.deepEqual(await setup(), silent);
    assert.deepEqual(await calls(), [install, 'tsc', 'bundle']);
  });

  it('builds again, without installing, when a source changed', async () => {
    await setup();
    await forgetCalls();
    const later = new Date(Date.now() + 5000);
    await utimes(join(checkout, 'src/a.ts'), later, later);
    assert.deepEqual(await setup(), silent);
    assert.deepEqual(await calls(), ['tsc', 'bundle']);
  });

  it('removes what was compiled from a source that is gone', async () => {
    await writeFile(join(checkout, 'src/b.ts'), '');
    await setup();
    assert.ok(existsSync(join(checkout, 'dist/src/b.js')));
    await rm(join(checkout, 'src/b.ts'));
    assert.deepEqual(await setup(), silent);
    assert.ok(!existsSync(join(checkout, 'dist/src/b.js')));
    assert.ok(existsSync(join(checkout, 'dist/src/a.js')));
  });

  it('installs again when the lock file is newer than the installation', async () => {
    await setup();
    await forgetCalls();
    const later = new Date(Date.now() + 5000);
    await utimes(join(checkout, 'package-lock.json'), later, later);
    await setup();
    assert.deepEqual((await calls())[0], install);
  });

  it('never installs through a node_modules that is a link', async () => {
    await setup();
    await cp(join(checkout, 'node_modules'), join(checkout, 'elsewhere'), { recursive: true });
    await rm(join(checkout, 'node_modules'), { recursive: true });
    await rm(join(checkout, 'elsewhere/.package-lock.json'));
    await symlink('elsewhere', join(checkout, 'node_modules'));
    await forgetCalls();
    assert.deepEqual(await setup(), silent);
    assert.deepEqual(await calls(), []);
  });

  it('shows the end of the log on stderr when the build fails, and tries again the next time', async () => {
    await writeFile(join(checkout, 'src/a.ts'), 'BROKEN');
    const first = await setup();
    assert.equal(first.status, 1);
    assert.equal(first.stdout, '');
    assert.match(first.stderr, /the build failed/);
    assert.match(first.stderr, /error TS1: a\.ts/);
    await writeFile(join(checkout, 'src/a.ts'), '');
    assert.deepEqual(await setup(), silent);
  });

  it('has not built when bundling fails, and tries again the next time', async () => {
    await writeFile(join(checkout, 'bundle-fails'), '');
    const { status, stderr } = await setup();
    assert.equal(status, 1);
    assert.match(stderr, /Could not resolve/);
    await rm(join(checkout, 'bundle-fails'));
    await forgetCalls();
    assert.deepEqual(await setup(), silent);
    assert.deepEqual(await calls(), ['tsc', 'bundle']);
  });

  it('does not build after a failed installation', async () => {
    await writeFile(join(checkout, 'npm-fails'), '');
    const { status, stderr } = await setup();
    assert.equal(status, 1);
    assert.match(stderr, /installing failed/);
    assert.match(stderr, /npm error network/);
    assert.deepEqual(await calls(), [install]);
  });

  it('names the version it needs when Node is too old', async () => {
    await writeFile(join(checkout, 'bin/node'), '#!/bin/sh\necho 20.18.3\n');
    await chmod(join(checkout, 'bin/node'), 0o755);
    const { status, stderr } = await setup();
    assert.equal(status, 1);
    assert.match(stderr, /needs Node\.js 20\.19 or newer, this is 20\.18\.3/);
    assert.deepEqual(await calls(), []);
  });

  it('lets one of several callers do the work while the others wait', async () => {
    const results = await Promise.all([setup(), setup(), setup()]);
    for (const result of results) assert.deepEqual(result, silent);
    assert.deepEqual(await calls(), [install, 'tsc', 'bundle']);
  });

  it('does the same on a machine without flock, and outlives a holder that died', async () => {
    // Everything the script calls, except flock.
    await mkdir(join(checkout, 'few'));
    for (const tool of 'sh dirname find tail sed rm mv mkdir touch cat sleep cp node'.split(' ')) {
      const { stdout } = await new Promise<{ stdout: string }>((resolve) => {
        execFile('sh', ['-c', `command -v ${tool}`], (_, text) => resolve({ stdout: text.trim() }));
      });
      await symlink(stdout, join(checkout, 'few', tool));
    }
    const PATH = join(checkout, 'bin') + delimiter + join(checkout, 'few');
    await mkdir(join(checkout, '.setup.lock'));
    await writeFile(join(checkout, '.setup.lock/pid'), '4194399\n');
    const results = await Promise.all([setup({ PATH }), setup({ PATH })]);
    for (const result of results) assert.deepEqual(result, silent);
    assert.deepEqual(await calls(), [install, 'tsc', 'bundle']);
    assert.ok(!existsSync(join(checkout, '.setup.lock')));
  });
});
