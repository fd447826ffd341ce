// The shipped program in bundle/: the files that it loads later, and the processes and threads that it starts, are at the expected
// paths. All other tests run the compiled program.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../../..');
const command = join(root, 'bundle/src/cli/main.js');
const run = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [command, ...args])).stdout;

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
    assert.equal(paths.length, 6);
    for (const path of paths) assert.ok(existsSync(join(root, 'bundle', path)), path);
  });

  it('has the code of entries.ts two folders deep, as its paths require', () => {
    const files = readdirSync(join(root, 'bundle/src'), { recursive: true, encoding: 'utf8' });
    const counting = files.filter(
      (file) =>
        file.endsWith('.js') &&
        readFileSync(join(root, 'bundle/src', file), 'utf8').includes('../../workers/compress.js'),
    );
    assert.ok(counting.length > 0);
    for (const file of counting) assert.equal(file.split('/').length, 2, file);
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
