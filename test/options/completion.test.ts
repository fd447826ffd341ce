// The completion of bash, run by bash with the words as readline splits them; that of zsh, as far as zsh can check it unasked.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { NAMES, switches } from '../../lab/pages/table.js';
import { flagText } from '../../src/options/help.js';

const ROOT = join(import.meta.dirname, '../../..');
const BASH = join(ROOT, 'packaging/completion/ramferry.bash');
const ZSH = join(ROOT, 'packaging/completion/_ramferry');
const missing = (program: string): string | false =>
  spawnSync(program, ['-c', ':']).error !== undefined && `${program} is not installed`;

describe('completion of bash', { skip: missing('bash') }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'completion-'));
  mkdirSync(join(folder, 'certificates'));
  writeFileSync(join(folder, 'guest one.ram'), '');
  writeFileSync(join(folder, 'tune.html'), '');
  after(() => rmSync(folder, { recursive: true }));

  /** What bash offers for the last of `words`. */
  function offered(...words: readonly string[]): string[] {
    const script =
      'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ramferry; printf "%s\\n" "${COMPREPLY[@]}"';
    const { stdout, stderr, status } = spawnSync(
      'bash',
      ['--norc', '-c', script, BASH, 'ramferry', ...words],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    assert.deepEqual([stderr, status], ['', 0]);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .sort();
  }

  it('registers for ramferry', () => {
    const script = 'source "$0"; complete -p ramferry';
    const { stdout } = spawnSync('bash', ['--norc', '-c', script, BASH], { encoding: 'utf8' });
    assert.equal(stdout, 'complete -F _ramferry ramferry\n');
  });

  it('offers commands', () => {
    assert.deepEqual(offered('s'), ['send', 'serve', 'status']);
    assert.deepEqual(offered('guest', ''), ['compare', 'destination', 'source']);
  });

  it('offers each option of each command', () => {
    for (const name of NAMES) {
      const flags = [...switches(name).map(flagText), '--help'];
      assert.deepEqual(offered(...name.split(' '), '--'), flags.sort(), name);
    }
  });

  it('offers the negation of switches', () => {
    assert.deepEqual(offered('emu-manager', '--no-s'), ['--no-self-check', '--no-syslog']);
  });

  it('offers choices, for --option VALUE and --option=VALUE', () => {
    const codecs = ['lz4', 'none', 'zlib', 'zstd'];
    assert.deepEqual(offered('send', '--codec', ''), codecs);
    assert.deepEqual(offered('send', '--codec', '='), codecs);
    assert.deepEqual(offered('send', '--codec', '=', 'zs'), ['zstd']);
    assert.deepEqual(offered('bench', '--codecs', 'lz4,z'), ['lz4,zlib', 'lz4,zstd']);
    assert.deepEqual(offered('send', '--tls-verify-peer', ''), ['off', 'on']);
  });

  it('offers files and directories for paths', () => {
    assert.deepEqual(offered('send', '--tls-creds', ''), ['certificates']);
    assert.deepEqual(offered('tune', '--html', 'tu'), ['tune.html']);
    assert.deepEqual(offered('inspect', 'guest'), ['guest one.ram']);
  });

  it('offers prefixes of addresses, and files behind unix:', () => {
    assert.deepEqual(offered('send', 'guest.ram', 't'), ['tcp-listen:', 'tcp:', 'tune.html']);
    assert.deepEqual(offered('send', 'unix', ':', 'tu'), ['tune.html']);
    assert.deepEqual(offered('send', 'tcp', ':', 'tu'), []);
    assert.deepEqual(offered('migrate', '--qmp', 'unix', ':', 'cert'), ['certificates']);
    assert.deepEqual(offered('migrate', '--qmp', '=', 'unix', ':'), [
      'certificates',
      'guest one.ram',
      'tune.html',
    ]);
  });

  it('offers nothing for values it cannot know', () => {
    assert.deepEqual(offered('send', '--chunk-size', ''), []);
    assert.deepEqual(offered('unheard-of', '--'), []);
  });
});

describe('completion of zsh', { skip: missing('zsh') }, () => {
  it('is sound', () => {
    const { stderr, status } = spawnSync('zsh', ['-f', '-n', ZSH], { encoding: 'utf8' });
    assert.deepEqual([stderr, status], ['', 0]);
  });

  it('gives _arguments what it takes, for each command', () => {
    // _arguments compiles its specifications with comparguments, which names what it does not understand; it works within
    // a completion only, so a stand-in checks the form: OPTION[TEXT]…, or a positional with its colon.
    const script = `
      source "$1" 2>/dev/null
      _arguments() { shift; for each; do [[ $each == (\\*|)(\\(*\\)|)(-*|)(\\[*\\]*|:*:*) ]] || print -r -- "$each"; done; print -r -- "$#" }
      for name in ${NAMES.map((name) => `'${name}'`).join(' ')}; do _ramferry_options $name; done`;
    const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', script, 'zsh', ZSH], { encoding: 'utf8' });
    assert.equal(stderr, '');
    const counts = stdout.trim().split('\n');
    assert.equal(counts.length, NAMES.length, stdout);
    for (const [index, name] of NAMES.entries()) {
      assert.ok(Number(counts[index]) >= switches(name).length, `${name}: ${counts[index]}`);
    }
  });
});
