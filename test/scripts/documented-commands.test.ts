// The command lines of README and docs/ run as they are written, in a folder of their own: HOST, the port and paths under /run are
// filled in. A comment before a block says what it needs (`needs: two hosts` is not run, `needs: program NAME` runs where NAME is
// installed) or that its lines belong to several hosts (`runs: all lines at once`). All other pages name only options that exist.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';

import { freePort } from '../../lab/free-port.js';
import { CHECKOUT, SHIPPED_COMMAND } from '../../lab/places.js';
import { flagText } from '../../src/options/help.js';
import { COMMANDS, type CommandName } from '../../src/options/commands.js';
import { optionsOf } from '../../src/options/table.js';
import { writeImage } from '../../src/index.js';

const RUN = [
  'README.md',
  ...fs
    .readdirSync(join(CHECKOUT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`),
];
const TIME_LIMIT_MS = 60_000;
const TOGETHER = 'runs: all lines at once';

interface Block {
  /** File and line. */
  readonly where: string;
  /** The comment before the block, without its marks. */
  readonly marker: string | undefined;
  readonly text: string;
}

function blocksOf(page: string): Block[] {
  const text = fs.readFileSync(join(CHECKOUT, page), 'utf8');
  return [...text.matchAll(/(?:^<!-- (.+) -->\n+)?^```sh\n([^]*?)^```$/gm)].map((found) => ({
    where: `${page}:${text.slice(0, found.index).split('\n').length}`,
    marker: found[1],
    text: found[2]!,
  }));
}

/** Why the block does not run here; false when it does. */
function obstacle({ marker }: Block): string | false {
  const [, needed] = /^needs: (.+)$/.exec(marker ?? '') ?? [];
  const [, program] = /^program (\S+)$/.exec(needed ?? '') ?? [];
  if (program === undefined) return needed === undefined ? false : `needs ${needed}`;
  return spawnSync(program, ['--version']).error !== undefined && `${program} is not installed`;
}

/** Ends the processes that have left the group, by their `-pidfile`. */
function endDaemons(folder: string): void {
  for (const name of fs.readdirSync(folder).filter((each) => each.endsWith('.pid'))) {
    const pid = Number(fs.readFileSync(join(folder, name), 'utf8'));
    if (!(pid > 1)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

/** Runs a script in a process group of its own, and ends what it has left behind. */
async function run(script: string, folder: string): Promise<{ status: number | null; said: string }> {
  const log = fs.openSync(join(folder, 'log'), 'a+');
  const environment = {
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
    HOME: folder,
  };
  const child = spawn('bash', ['-c', `set -euo pipefail\n${script}`], {
    cwd: folder,
    env: environment,
    detached: true,
    stdio: ['ignore', log, log],
  });
  const overdue = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), TIME_LIMIT_MS);
  const [status] = (await once(child, 'exit')) as [number | null];
  clearTimeout(overdue);
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // The group has ended.
  }
  endDaemons(join(folder, 'run'));
  fs.closeSync(log);
  return { status, said: fs.readFileSync(join(folder, 'log'), 'utf8') };
}

describe('commands in README and docs/', { skip: !fs.existsSync(SHIPPED_COMMAND) && 'no bundle' }, () => {
  const parent = fs.mkdtempSync(join(tmpdir(), 'documented-'));
  const image = join(parent, 'guest.ram');

  before(() => writeImage(image, { bytes: 8 << 20, seed: 1, profile: 'busy' }));
  after(() => fs.rmSync(parent, { recursive: true, force: true }));

  async function folderFor(): Promise<{ folder: string; fill: (text: string) => string }> {
    const folder = fs.mkdtempSync(join(parent, 'x'));
    for (const name of ['bin', 'run']) fs.mkdirSync(join(folder, name));
    fs.linkSync(image, join(folder, 'guest.ram'));
    const program = `#!/bin/sh\nexec '${process.execPath}' '${SHIPPED_COMMAND}' "$@"\n`;
    fs.writeFileSync(join(folder, 'bin/ramferry'), program, { mode: 0o755 });
    const port = await freePort();
    const fill = (text: string): string =>
      text
        .replaceAll('/run/', `${folder}/run/`)
        .replaceAll(/\bHOST\b|\b0\.0\.0\.0\b/g, '127.0.0.1')
        .replaceAll('4444', String(port));
    return { folder, fill };
  }

  for (const block of RUN.flatMap(blocksOf)) {
    it(block.where, { skip: obstacle(block), timeout: 2 * TIME_LIMIT_MS }, async () => {
      const { folder, fill } = await folderFor();
      const text = fill(block.text);
      const scripts = block.marker === TOGETHER ? text.trim().split('\n') : [text];
      const ran = await Promise.all(scripts.map((script) => run(script, folder)));
      assert.deepEqual(
        ran.map(({ status }) => status),
        scripts.map(() => 0),
        ran.at(-1)!.said,
      );
    });
  }

  it('has blocks that run, and a known marker at each other', () => {
    const blocks = RUN.flatMap(blocksOf);
    assert.ok(blocks.filter(({ marker }) => marker === undefined).length >= 5);
    for (const { marker, where } of blocks) {
      assert.ok(marker === undefined || marker === TOGETHER || marker.startsWith('needs: '), where);
    }
  });

  it('README fits on two screens of 50 lines and 80 columns', () => {
    const lines = fs.readFileSync(join(CHECKOUT, 'README.md'), 'utf8').trimEnd().split('\n');
    assert.ok(lines.length <= 100, String(lines.length));
    for (const line of lines) assert.ok(line.length <= 80, line);
  });
});

describe('commands in all pages', () => {
  const pages = ['README.md', ...fs.readdirSync(join(CHECKOUT, 'docs')).map((name) => `docs/${name}`)].filter(
    (name) => name.endsWith('.md'),
  );

  for (const { where, text } of pages.flatMap(blocksOf)) {
    const lines = text.replaceAll('\\\n', ' ').split(/\n|\|/);
    const used = lines.flatMap((line) => {
      const [, first, second, rest] =
        /\bramferry (guest )?([a-z-]+)\b(.*)/.exec(line.replace(/\s#.*/, '')) ?? [];
      const command = `${first ?? ''}${second ?? ''}`;
      return command in COMMANDS ? [{ command: command as CommandName, rest: rest! }] : [];
    });
    if (used.length === 0) continue;
    it(`${where} names options that exist`, () => {
      for (const { command, rest } of used) {
        const known = new Set(optionsOf(command).map(flagText));
        for (const [, flag] of rest.split(' -- ')[0]!.matchAll(/(?<=\s)(--[a-z][a-z-]*)/g)) {
          assert.ok(known.has(flag!) || known.has(flag!.replace('--no-', '--')), `${command} ${flag}`);
        }
      }
    });
  }
});
