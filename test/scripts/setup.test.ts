// scripts/setup in a small temporary checkout. Stand-ins for npm, the compiler and the bundler record their calls.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

const scripts = join(import.meta.dirname, '../../../scripts');

// The stand-in compiler "emits" an empty file for every source; a source that says BROKEN is an error.
const compiler = `
const fs = require('fs'), path = require('path');
fs.appendFileSync('calls', 'tsc ' + process.argv.slice(2).join(' ') + '\\n');
for (const top of process.argv[3] === 'tsconfig.test.json' ? ['src', 'test'] : ['src']) {
  for (const name of fs.readdirSync(top)) {
    if (fs.readFileSync(path.join(top, name), 'utf8').includes('BROKEN')) { console.log('error TS1: ' + name); process.exit(2); }
    fs.mkdirSync(path.join('dist', top), { recursive: true });
    fs.writeFileSync(path.join('dist', top, name.replace(/ts$/, 'js')), '');
  }
}
`;
const bundler = `
import { appendFileSync, existsSync } from 'node:fs';
appendFileSync('calls', 'bundle\\n');
if (existsSync('bundle-fails')) { console.log('error: Could not resolve'); process.exit(1); }
`;
const npm = `#!/bin/sh
echo "npm $*" >>calls
echo "\${npm_config_cache-}" >>caches
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
    await mkdir(join(checkout, 'test'));
    await writeFile(join(checkout, 'test/a.test.ts'), '');
    const settings = ['tsconfig.json', 'tsconfig.build.json', 'tsconfig.test.json'];
    for (const name of ['package.json', 'package-lock.json', ...settings]) {
      await writeFile(join(checkout, name), '{}');
    }
  });
  afterEach(() => rm(checkout, { recursive: true, force: true }));

  function setup(
    environment: Record<string, string> = {},
    ...args: string[]
  ): Promise<{ status: number; stdout: string; stderr: string }> {
    const env = { ...process.env, PATH: path, ...environment };
    return new Promise((resolve) => {
      execFile(join(checkout, 'scripts/setup'), args, { cwd: tmpdir(), env }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }
  const calls = async (): Promise<string[]> =>
    existsSync(join(checkout, 'calls'))
      ? (await readFile(join(checkout, 'calls'), 'utf8')).trim().split('\n')
      : [];
  const forgetCalls = (): Promise<void> => rm(join(checkout, 'calls'), { force: true });
  const done = (...steps: string[]) => ({
    status: 0,
    stdout: '',
    stderr: steps.map((step) => `ramferry: ${step} …\n`).join(''),
  });
  const silent = done();
  const installing = 'installing dependencies (about a minute)';
  const building = 'building';
  const install = 'npm ci --no-audit --no-fund --include=dev --include=optional';
  const compile = 'tsc -b tsconfig.build.json';
  const compileTests = 'tsc -b tsconfig.test.json';

  it('installs and builds a fresh checkout, reports each step, and does nothing the second time', async () => {
    assert.deepEqual(await setup(), done(installing, building));
    assert.deepEqual(await calls(), [install, compile, 'bundle']);
    assert.deepEqual(await setup(), silent);
    assert.deepEqual(await calls(), [install, compile, 'bundle']);
  });

  it('builds bench and test only on request, after each change of them', async () => {
    await writeFile(join(checkout, 'test/a.test.ts'), 'BROKEN');
    assert.deepEqual(await setup(), done(installing, building), 'a broken test is none of its business');
    await writeFile(join(checkout, 'test/a.test.ts'), '');
    await forgetCalls();
    assert.deepEqual(await setup({}, '--with-tests'), done('building the tests'));
    assert.deepEqual(await calls(), [compileTests]);
    assert.ok(existsSync(join(checkout, 'dist/test/a.test.js')));
    assert.deepEqual(await setup({}, '--with-tests'), silent);

    const later = new Date(Date.now() + 5000);
    await utimes(join(checkout, 'test/a.test.ts'), later, later);
    await forgetCalls();
    assert.deepEqual(await setup(), silent);
    assert.deepEqual(await setup({}, '--with-tests'), done('building the tests'));
    assert.deepEqual(await calls(), [compileTests]);
  });

  it('rebuilds the tests, program changed', async () => {
    await setup({}, '--with-tests');
    await forgetCalls();
    const later = new Date(Date.now() + 5000);
    await utimes(join(checkout, 'src/a.ts'), later, later);
    assert.deepEqual(await setup({}, '--with-tests'), done(building, 'building the tests'));
    assert.deepEqual(await calls(), [compile, 'bundle', compileTests]);
  });

  it('gives npm a temporary cache and removes it, home not writable', async () => {
    const home = join(checkout, 'no-directory');
    await writeFile(home, '');
    const TMPDIR = join(checkout, 'tmp');
    await mkdir(TMPDIR);
    const cache = async (): Promise<string> => (await readFile(join(checkout, 'caches'), 'utf8')).trim();
    assert.deepEqual(await setup({ HOME: home, npm_config_cache: '', TMPDIR }), done(installing, building));
    assert.ok((await cache()).startsWith(TMPDIR));
    assert.deepEqual(await readdir(TMPDIR), []);
  });

  it("uses npm's own cache, home writable", async () => {
    await setup({ HOME: checkout, npm_config_cache: '' });
    assert.equal(await readFile(join(checkout, 'caches'), 'utf8'), '\n');
  });

  it('refuses an unknown parameter', async () => {
    const { status, stderr } = await setup({}, '--tests');
    assert.equal(status, 2);
    assert.match(stderr, /^usage: /);
  });

  it('rebuilds without installing, source changed', async () => {
    await setup();
    await forgetCalls();
    const later = new Date(Date.now() + 5000);
    await utimes(join(checkout, 'src/a.ts'), later, later);
    assert.deepEqual(await setup(), done(building));
    assert.deepEqual(await calls(), [compile, 'bundle']);
  });

  it('removes compiled files, source deleted', async () => {
    await writeFile(join(checkout, 'src/b.ts'), '');
    await setup();
    assert.ok(existsSync(join(checkout, 'dist/src/b.js')));
    await rm(join(checkout, 'src/b.ts'));
    assert.deepEqual(await setup(), done(building));
    assert.ok(!existsSync(join(checkout, 'dist/src/b.js')));
    assert.ok(existsSync(join(checkout, 'dist/src/a.js')));
  });

  it('reinstalls, lock file newer than the installation', async () => {
    await setup();
    await forgetCalls();
    const later = new Date(Date.now() + 5000);
    await utimes(join(checkout, 'package-lock.json'), later, later);
    await setup();
    assert.deepEqual((await calls())[0], install);
  });

  it('does not install, node_modules is a link', async () => {
    await setup();
    await cp(join(checkout, 'node_modules'), join(checkout, 'elsewhere'), { recursive: true });
    await rm(join(checkout, 'node_modules'), { recursive: true });
    await rm(join(checkout, 'elsewhere/.package-lock.json'));
    await symlink('elsewhere', join(checkout, 'node_modules'));
    await forgetCalls();
    assert.deepEqual(await setup(), silent);
    assert.deepEqual(await calls(), []);
  });

  it('prints the end of the log on stderr and retries the next time, build failed', async () => {
    await writeFile(join(checkout, 'src/a.ts'), 'BROKEN');
    const first = await setup();
    assert.equal(first.status, 1);
    assert.equal(first.stdout, '');
    assert.match(first.stderr, /the build failed/);
    assert.match(first.stderr, /error TS1: a\.ts/);
    await writeFile(join(checkout, 'src/a.ts'), '');
    assert.deepEqual(await setup(), done(building));
  });

  it('counts as not built and retries the next time, bundling failed', async () => {
    await writeFile(join(checkout, 'bundle-fails'), '');
    const { status, stderr } = await setup();
    assert.equal(status, 1);
    assert.match(stderr, /Could not resolve/);
    await rm(join(checkout, 'bundle-fails'));
    await forgetCalls();
    assert.deepEqual(await setup(), done(building));
    assert.deepEqual(await calls(), [compile, 'bundle']);
  });

  it('does not build, installation failed', async () => {
    await writeFile(join(checkout, 'npm-fails'), '');
    const { status, stderr } = await setup();
    assert.equal(status, 1);
    assert.match(stderr, /installing failed/);
    assert.match(stderr, /npm error network/);
    assert.deepEqual(await calls(), [install]);
  });

  it('names the required version, Node too old', async () => {
    await writeFile(join(checkout, 'bin/node'), '#!/bin/sh\necho 20.18.3\n');
    await chmod(join(checkout, 'bin/node'), 0o755);
    const { status, stderr } = await setup();
    assert.equal(status, 1);
    assert.match(stderr, /needs Node\.js 20\.19 or newer, this is 20\.18\.3/);
    assert.deepEqual(await calls(), []);
  });

  /** Asserts that one caller reports the work. The others report that they wait, or start after it is done. */
  function assertOneWorked(results: readonly { status: number; stdout: string; stderr: string }[]): void {
    const worked = done(installing, building);
    const waited = done('waiting for another set-up of this checkout');
    assert.equal(results.filter(({ stderr }) => stderr.endsWith(worked.stderr)).length, 1);
    for (const { status, stdout, stderr } of results) {
      assert.deepEqual([status, stdout], [0, '']);
      assert.ok(['', worked.stderr, waited.stderr, waited.stderr + worked.stderr].includes(stderr), stderr);
    }
  }

  it('lets one caller do the work while the others wait, several callers', async () => {
    const results = await Promise.all([setup(), setup(), setup()]);
    assertOneWorked(results);
    assert.deepEqual(await calls(), [install, compile, 'bundle']);
  });

  it('lets one caller do the work, no flock, and ignores the lock of a dead process', async () => {
    // All programs that the script calls, except flock.
    await mkdir(join(checkout, 'few'));
    for (const tool of 'sh dirname find tail sed rm mv mkdir mktemp touch cat sleep cp node'.split(' ')) {
      const { stdout } = await new Promise<{ stdout: string }>((resolve) => {
        execFile('sh', ['-c', `command -v ${tool}`], (_, text) => resolve({ stdout: text.trim() }));
      });
      await symlink(stdout, join(checkout, 'few', tool));
    }
    const PATH = join(checkout, 'bin') + delimiter + join(checkout, 'few');
    await mkdir(join(checkout, '.setup.lock'));
    await writeFile(join(checkout, '.setup.lock/pid'), '4194399\n');
    const results = await Promise.all([setup({ PATH }), setup({ PATH })]);
    assertOneWorked(results);
    assert.deepEqual(await calls(), [install, compile, 'bundle']);
    assert.ok(!existsSync(join(checkout, '.setup.lock')));
  });
});
