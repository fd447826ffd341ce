// The shipped program in bundle/: the files that it loads later, and the processes and threads that it starts, are at the expected
// paths. All other tests run the compiled program.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../../..');
const command = join(root, 'bundle/src/cli/main.js');
const run = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [command, ...args])).stdout;

/** The files that the main thread loads, of ramferry, and the packages. Node lists them where no compiled code can be kept. */
async function loadedBy(...args: string[]): Promise<{ files: string[]; packages: string[] }> {
  const preload = `data:text/javascript,${encodeURIComponent(
    `import { createRequire } from 'node:module';
     import { isMainThread } from 'node:worker_threads';
     const { cache } = createRequire('${root}/');
     if (isMainThread) process.on('exit', () => console.log(JSON.stringify(Object.keys(cache))));`,
  )}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', preload, command, ...args], {
    env: { ...process.env, XDG_CACHE_HOME: '/proc' },
  });
  const paths = (JSON.parse(stdout) as string[]).map((path) => relative(root, path));
  const packages = paths.map((path) => /node_modules\/([^/]+)/.exec(path)?.[1]);
  return {
    files: paths.filter((_, index) => packages[index] === undefined),
    packages: [...new Set(packages.filter((each) => each !== undefined))],
  };
}

describe('bundle/', () => {
  let folder: string;
  let image: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ramferry-bundle-'));
    image = join(folder, 'image.ram');
    const line = Buffer.from('a page of text that repeats itself, and a number: ');
    const bytes = Buffer.alloc(4 * 1024 * 1024, line);
    for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(at, at);
    await writeFile(image, bytes);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('has the files that entries.ts names', async () => {
    const source = await readFile(join(root, 'src/os/entries.ts'), 'utf8');
    const paths = [...source.matchAll(/at\('\.\.\/\.\.\/((?:src|workers)\/[^']+)'\)/g)].map(
      ([, path]) => path!,
    );
    assert.equal(paths.length, 8);
    for (const path of paths) assert.ok(existsSync(join(root, 'bundle', path)), path);
  });

  for (const codec of ['none', 'lz4', 'zstd', 'zlib']) {
    it(`sends and receives with ${codec}, and logs`, async () => {
      const [stream, back] = [join(folder, `${codec}.rfy`), join(folder, `${codec}.ram`)];
      await run(
        'send',
        '--codec',
        codec,
        '--log-file',
        join(folder, `${codec}.log`),
        '--json',
        image,
        stream,
      );
      await run('receive', '--json', stream, back);
      assert.deepEqual(await readFile(back), await readFile(image));
      assert.match(await readFile(join(folder, `${codec}.log`), 'utf8'), /"summary"|completed|status/);
    });
  }

  for (const [name, direction] of [
    ['send', ['loaded.ram', 'loaded.rfy']],
    ['receive', ['loaded.rfy', 'loaded.out']],
  ] as const) {
    it(`loads for ${name} from file to file one program, and no package but codec and checksums`, async () => {
      await writeFile(join(folder, 'loaded.ram'), Buffer.alloc(4096, 0xa5));
      const loaded = await loadedBy(name, ...direction.map((file) => join(folder, file)));
      assert.deepEqual(loaded.files, ['bundle/src/cli/main.js', `bundle/src/cli/${name}.js`]);
      for (const each of loaded.packages) assert.ok(['@node-rs', 'zstd-napi'].includes(each), each);
    });
  }

  it('leaves arguments that are not plain to the full program', async () => {
    assert.match(await run('send', '--help'), /--compress-level/);
    await assert.rejects(run('send', '--codex', 'zstd'), /did you mean --codec/);
  });

  it('prints its version, features and help', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    assert.match(await run('features'), new RegExp(version.replaceAll('.', '\\.')));
    for (const name of ['send', 'tune', 'bench', 'migrate', 'guest', 'inspect', 'emu-manager']) {
      assert.match(await run(name, '--help'), new RegExp(name));
    }
  });

  it('measures in its own processes and threads, and writes the report', async () => {
    const page = join(folder, 'report.html');
    const told = await run('tune', '--bandwidth', '1gbit', '--budget', '3s', '--json', '--html', page, image);
    assert.match(told, /"message_type":"tune"/);
    assert.match(await readFile(page, 'utf8'), /<canvas/);
  });
});
