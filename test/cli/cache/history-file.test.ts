// The file of what earlier commands have measured: made whole and private, never an error, whatever lies in its place.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { HistoryFile, wantsHistory } from '../../../src/cli/cache/history-file.js';
import { parseHistory } from '../../../src/transfer/adaptive/history/history-text.js';
import { writeImage } from '../../../src/image/image.js';
import { temporaryDirectory } from '../../link/support.js';
import { run } from '../command.js';

const KEY = { codec: 'zstd zstd-napi', peer: 'tcp host' };
const LEARNED = { link: { rate: 1e6, limited: true } };

interface Place {
  readonly file: HistoryFile;
  readonly directory: string;
  /** The files of histories, temporary ones included. */
  readonly names: () => string[];
}

function place(cache = temporaryDirectory()): Place {
  const directory = path.join(cache, 'ramferry');
  return {
    file: new HistoryFile({ XDG_CACHE_HOME: cache }),
    directory,
    names: () => fs.readdirSync(directory).filter((name) => name.startsWith('history-')),
  };
}

/** The path of the only history. */
function only({ directory, names }: Place): string {
  const [name, ...others] = names();
  assert.deepEqual(others, []);
  return path.join(directory, name!);
}

describe('HistoryFile', () => {
  it('keeps figures between commands, in a private file', () => {
    const cache = temporaryDirectory();
    const first = place(cache);
    assert.deepEqual(first.file.guess(KEY), {});
    first.file.record(KEY, LEARNED);
    assert.deepEqual(place(cache).file.guess(KEY), LEARNED);
    assert.equal(fs.statSync(only(first)).mode & 0o777, 0o600);
    assert.ok(!fs.readFileSync(only(first), 'utf8').includes('host"'), 'peers are not named');
  });

  it('replaces a damaged file, and begins without it', () => {
    const found = place();
    found.file.record(KEY, LEARNED);
    for (const text of ['', '{', 'null', '{"version":1,"links":[]}', '\0'.repeat(200_000)]) {
      fs.writeFileSync(only(found), text);
      assert.deepEqual(found.file.guess(KEY), {});
      found.file.record(KEY, LEARNED);
      assert.deepEqual(found.file.guess(KEY), LEARNED);
    }
  });

  it('leaves a file of a later version as it is', () => {
    const found = place();
    found.file.record(KEY, LEARNED);
    fs.writeFileSync(only(found), '{"version":2}');
    found.file.record(KEY, LEARNED);
    assert.deepEqual(found.file.guess(KEY), {});
    assert.equal(fs.readFileSync(only(found), 'utf8'), '{"version":2}');
  });

  it('follows no link and opens no pipe in its place', () => {
    const found = place();
    found.file.record(KEY, LEARNED);
    const name = only(found);
    const elsewhere = path.join(temporaryDirectory(), 'elsewhere');
    fs.renameSync(name, elsewhere);
    fs.symlinkSync(elsewhere, name);
    assert.deepEqual(found.file.guess(KEY), {});
    const before = fs.readFileSync(elsewhere, 'utf8');
    found.file.record({ ...KEY, peer: 'tcp other' }, LEARNED);
    assert.equal(fs.readFileSync(elsewhere, 'utf8'), before);
    fs.unlinkSync(name);
    execFileSync('mkfifo', [name]);
    assert.deepEqual(found.file.guess(KEY), {});
    found.file.record(KEY, LEARNED);
    assert.deepEqual(found.file.guess(KEY), LEARNED);
  });

  it('is not used in a directory that others may write to, or where none can be made', () => {
    const found = place();
    fs.mkdirSync(found.directory, { mode: 0o777 });
    fs.chmodSync(found.directory, 0o777);
    found.file.record(KEY, LEARNED);
    assert.deepEqual(found.names(), []);
    const nowhere = new HistoryFile({ XDG_CACHE_HOME: '/proc' });
    nowhere.record(KEY, LEARNED);
    assert.deepEqual(nowhere.guess(KEY), {});
  });

  it('removes what a killed command has left behind', () => {
    const found = place();
    found.file.record(KEY, LEARNED);
    const [old, young] = ['0', '1'].map((digit) => `${only(found)}.${digit.repeat(16)}`) as [string, string];
    fs.writeFileSync(old, 'cut o');
    fs.writeFileSync(young, 'cut o');
    fs.utimesSync(old, 1e9, 1e9);
    found.file.record(KEY, LEARNED);
    assert.ok(!fs.existsSync(old) && fs.existsSync(young), 'another command may be writing the young one');
  });

  it('is whole at every moment while several processes write it', async () => {
    const cache = temporaryDirectory();
    const module = fileURLToPath(new URL('../../../src/cli/cache/history-file.js', import.meta.url));
    const script = `import { HistoryFile } from ${JSON.stringify(module)};
      const file = new HistoryFile(process.env);
      for (let i = 0; i < 100; i++) file.record({ codec: 'zstd x', peer: process.argv[1] + i }, ${JSON.stringify(LEARNED)});`;
    const writers = ['a', 'b', 'c'].map((name) =>
      spawn(process.execPath, ['--input-type=module', '-e', script, name], {
        env: { ...process.env, XDG_CACHE_HOME: cache },
        stdio: 'inherit',
      }),
    );
    let running = writers.length;
    const ended = writers.map(async (each) => {
      const [status] = (await once(each, 'exit')) as [number];
      running--;
      assert.equal(status, 0);
    });
    const found = place(cache);
    let seen = 0;
    while (running > 0) {
      const [name] = fs.existsSync(found.directory)
        ? found.names().filter((each) => each.endsWith('.json'))
        : [];
      if (name !== undefined) {
        const links = parseHistory(fs.readFileSync(path.join(found.directory, name), 'utf8'))!.links.size;
        assert.ok(links > 0);
        seen++;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(ended);
    assert.ok(seen > 0);
    assert.equal(parseHistory(fs.readFileSync(only(found), 'utf8'))!.links.size, 64);
  });
});

describe('--no-history', () => {
  it('is an option and a variable', () => {
    assert.equal(wantsHistory({}, {}), true);
    assert.equal(wantsHistory({ history: false }, {}), false);
    assert.equal(wantsHistory({}, { RAMFERRY_HISTORY: 'no' }), false);
    assert.equal(wantsHistory({ history: true }, { RAMFERRY_HISTORY: 'no' }), true);
  });

  it('leaves the file alone; without it a transfer leaves its figures', async () => {
    const image = path.join(temporaryDirectory(), 'image.ram');
    await writeImage(image, { bytes: 64 * 2 ** 20, seed: 1, profile: 'busy' });
    const send = async (options: string[]): Promise<string[]> => {
      const found = place();
      const environment = { XDG_CACHE_HOME: path.dirname(found.directory), RAMFERRY_HISTORY: '' };
      const ended = await run(['send', '-q', ...options, image, 'exec:cat >/dev/null'], environment);
      assert.equal(ended.status, 0, ended.stderr);
      return fs.existsSync(found.directory) ? found.names() : [];
    };
    assert.deepEqual(await send(['--no-history']), []);
    assert.equal((await send([])).length, 1);
    assert.deepEqual(await send(['--no-adaptive']), [], 'a fixed level measures nothing');
  });
});
