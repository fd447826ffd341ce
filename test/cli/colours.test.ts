// Escape sequences in what commands print: none where the output is no terminal, no colours at all, and only the movements of the
// progress line on a terminal that can redraw.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { before, describe, it } from 'node:test';

import { generateImage } from '../../src/image/image.js';
import { directory } from '../serve/support.js';
import { MAIN } from './command.js';

const SEND = 'send --force guest.ram guest.rf';
const BENCH =
  'bench --quick --no-peers --codecs lz4 --threads 1 --repetitions 1 --chunk-sizes 1MiB guest.ram';
const FAILED = 'send --codek x';

let at: string;

before(() => {
  at = directory();
  const image = generateImage({ bytes: 2 << 20, seed: 3, profile: 'busy' });
  fs.writeFileSync(`${at}/guest.ram`, Buffer.concat([...image]));
});

/** What the commands print with this environment, on a terminal or into a pipe. */
function printed(
  commands: readonly string[],
  environment: Record<string, string>,
  terminal: boolean,
): string {
  const line = commands.map((each) => `"${process.execPath}" "${MAIN}" ${each}`).join('; ');
  const [program, ...args] = terminal
    ? ['script', '-qec', line, '/dev/null']
    : ['sh', '-c', `{ ${line}; } 2>&1`];
  const own = { NO_COLOR: undefined, FORCE_COLOR: undefined, TERM: 'xterm-256color', ...environment };
  const env = { ...process.env, ...own };
  const { stdout, error } = spawnSync(program, args, { cwd: at, env, stdio: ['ignore', 'pipe', 'ignore'] });
  assert.equal(error, undefined);
  const text = stdout.toString();
  assert.equal(/completed: .*\s+link: /.test(text), commands.includes(SEND));
  assert.equal(/^codec +level/m.test(text), commands.includes(BENCH));
  assert.equal(text.includes('ERR_USAGE'), commands.includes(FAILED));
  return text;
}

const ESCAPE = /\x1b/; // eslint-disable-line no-control-regex
/** Select Graphic Rendition: colours, bold, underlined. */
const COLOUR = /\x1b\[[\d;:]*m/; // eslint-disable-line no-control-regex

describe(
  'escape sequences',
  { skip: spawnSync('script', ['--version']).error && 'script(1) is absent' },
  () => {
    it('are none in a pipe, even with FORCE_COLOR', () => {
      assert.doesNotMatch(printed([SEND, FAILED], { FORCE_COLOR: '1' }, false), ESCAPE);
    });

    it('have no colours on a terminal, NO_COLOR', () => {
      const text = printed([BENCH, FAILED, SEND], { NO_COLOR: '1' }, true);
      assert.match(text, ESCAPE, 'the progress line is drawn');
      assert.doesNotMatch(text, COLOUR);
    });

    it('are none on a terminal that cannot redraw', () => {
      assert.doesNotMatch(printed([BENCH], { TERM: 'dumb' }, true), ESCAPE);
    });
  },
);
