// scripts/install-emu-manager in an installed package. A stand-in for the real emu-manager prints its arguments and its process id.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

const checkout = join(import.meta.dirname, '../../..');

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly pid: number;
}

describe('scripts/install-emu-manager', () => {
  let place: string;
  let real: string;
  let wrapper: string;
  let conf: string;

  beforeEach(() => {
    // The path has a quote and a blank, so the script must quote it everywhere.
    place = fs.mkdtempSync(join(tmpdir(), "ramferry install'd-"));
    fs.mkdirSync(join(place, 'scripts'));
    fs.copyFileSync(
      join(checkout, 'scripts/install-emu-manager'),
      join(place, 'scripts/install-emu-manager'),
    );
    fs.symlinkSync(join(checkout, 'bundle'), join(place, 'bundle'));
    real = join(place, 'real emu-manager');
    const script = '#!/bin/sh\necho "pid $$"\nfor word; do echo "$word"; done\nexit 7\n';
    fs.writeFileSync(real, script, { mode: 0o755 });
    wrapper = join(place, 'lib/emu-manager');
    conf = join(place, 'xenopsd.conf');
  });
  afterEach(() => fs.rmSync(place, { recursive: true, force: true }));

  function run(program: string, ...words: string[]): Result {
    const { status, stdout, stderr, pid } = spawnSync(program, words, { encoding: 'utf8', cwd: '/' });
    return { status, stdout, stderr, pid };
  }
  const install = (...words: string[]): Result =>
    run(
      join(place, 'scripts/install-emu-manager'),
      ...['--real', real, '--wrapper', wrapper, '--conf', conf],
      ...words,
    );
  const uninstall = (...words: string[]): Result =>
    run(
      join(place, 'scripts/install-emu-manager'),
      ...['--uninstall', '--wrapper', wrapper, '--conf', conf],
      ...words,
    );

  it('writes the wrapper and prints the line for xenopsd.conf, run repeatedly', () => {
    for (let time = 0; time < 2; time++) {
      const { status, stdout, stderr } = install();
      assert.equal(status, 0, stderr);
      assert.equal(stdout, `emu-manager = ${wrapper}\n`);
      assert.equal(fs.statSync(wrapper).mode & 0o777, 0o755);
      assert.deepEqual(fs.readdirSync(join(place, 'lib')), ['emu-manager']);
    }
  });

  it('starts the real emu-manager without Node, migration not compressed by ramferry', () => {
    install();
    const base = ['-controlinfd', '3', '-controloutfd', '4', '-fd', '5', '-domid', '7'];
    for (const words of [
      [...base, '-mode', 'hvm_save', '-live', 'true'],
      [...base, '--mode=save', '-dm', 'vgpu:6'],
      ['-mo', 'restore', ...base, '-mode', 'save'],
      ['-supports', 'migration-v2'],
      ['--supports=compress'],
      ['-supp', 'compress', '-mode', 'hvm_restore', '-compress', 'true'],
      ['-mode', 'save', '--', '-compress', 'true'],
      ['-mode', 'save', ...base, '-mem_pnode', '1'],
      ['--mod=hvm_save', '-me', '1', '--mem_pnode=0'],
    ]) {
      const { status, stdout, pid } = run(wrapper, ...words);
      assert.equal(status, 7);
      assert.deepEqual(stdout.trim().split('\n'), [`pid ${pid}`, ...words]);
    }
  });

  it('starts the front, restore or compressed save', () => {
    install();
    // Without the descriptors of a migration the front also leaves the work to the real emu-manager, which is then its child.
    for (const words of [
      ['-mode', 'hvm_restore'],
      ['--mode=restore'],
      ['-mode', 'save', '-mode', 'restore'],
      ['-domid', '7'],
      ['-mem_pnode', '1', '-mode', 'hvm_restore', '--mem=0'],
      // -m may mean mode or mem_pnode: the real emu-manager reports the error.
      ['-m', 'save'],
    ]) {
      const { status, stdout, pid } = run(wrapper, ...words);
      assert.equal(status, 7);
      const [first, ...rest] = stdout.trim().split('\n');
      assert.notEqual(first, `pid ${pid}`);
      assert.deepEqual(rest, words);
    }
    for (const spelling of [['-compress', 'true'], ['--compress=true'], ['-comp', 'true']]) {
      const { stdout, pid } = run(wrapper, '-mode', 'save', ...spelling);
      assert.deepEqual(stdout.trim().split('\n').slice(1), ['-mode', 'save']);
      assert.notEqual(stdout.split('\n')[0], `pid ${pid}`);
    }
  });

  it('passes options to the front unchanged, special characters', () => {
    const log = join(place, "a 'log' $HOME");
    assert.equal(install('--', '--log-file', log, '--host-threads', '3').status, 0);
    assert.match(fs.readFileSync(wrapper, 'utf8'), /'--host-threads' '3' --exec "\$real" -- "\$@"\n$/);
    const { status, stderr } = run(wrapper, '-mode', 'save', '-compress', 'true');
    assert.equal(status, 7, stderr);
    assert.ok(fs.existsSync(log));
  });

  it('installs nothing, front does not work', () => {
    const { status, stderr } = install('--', '--codec', 'lzma');
    assert.equal(status, 1);
    assert.match(stderr, /lzma/);
    assert.ok(!fs.existsSync(wrapper));
    fs.chmodSync(real, 0o644);
    assert.equal(install().status, 1);
    assert.ok(!fs.existsSync(wrapper));
  });

  it('does not replace a file that it did not write, and backs it up with --force', () => {
    fs.mkdirSync(join(place, 'lib'));
    fs.writeFileSync(wrapper, 'theirs\n');
    const { status, stderr } = install();
    assert.equal(status, 1);
    assert.match(stderr, /is not ours; --force/);
    assert.equal(fs.readFileSync(wrapper, 'utf8'), 'theirs\n');
    assert.equal(uninstall().status, 1);
    assert.equal(install('--force').status, 0);
    assert.notEqual(fs.readFileSync(wrapper, 'utf8'), 'theirs\n');
    assert.equal(uninstall().status, 0);
    assert.equal(fs.readFileSync(wrapper, 'utf8'), 'theirs\n');
    assert.deepEqual(fs.readdirSync(join(place, 'lib')), ['emu-manager']);
  });

  it('refuses a wrapper that would start itself', () => {
    for (const args of [
      ['--real', real, '--wrapper', real, '--force'],
      ['--real', join(place, 'link'), '--wrapper', real, '--force'],
    ]) {
      fs.rmSync(join(place, 'link'), { force: true });
      fs.symlinkSync(real, join(place, 'link'));
      assert.match(install(...args).stderr, /cannot take the place/);
    }
    install();
    assert.match(install('--real', wrapper, '--wrapper', `${wrapper}2`).stderr, /is a wrapper of ours/);
  });

  it("finds the real emu-manager in xenopsd's configuration", () => {
    fs.writeFileSync(conf, `# emu-manager = /nowhere\nemu-manager="${real}"\n`);
    const { status, stderr } = run(
      join(place, 'scripts/install-emu-manager'),
      ...['--wrapper', wrapper, '--conf', conf],
    );
    assert.equal(status, 0, stderr);
    assert.ok(run(wrapper, '-mode', 'save').stdout.startsWith('pid '));
  });

  describe("xenopsd's configuration", () => {
    for (const [what, lines, fragments] of [
      ['the last line wins', (path: string) => `emu-manager=/nowhere\nemu-manager = '${path}'  # x\n`, {}],
      ['keys are case-sensitive', (path: string) => `emu-manager = ${path}\nEmu-Manager = /nowhere\n`, {}],
      ['words may precede the key', (path: string) => `this emu-manager = "${path}"`, {}],
      ['tabs and backslashes count as blanks', (path: string) => `\temu-manager\\ =\t\\${path} \t\n`, {}],
      ['files in xenopsd.conf.d', () => 'emu-manager = /nowhere', { '10-b': '', '.early': '/x', '20': '' }],
    ] as const) {
      it(`is read as xenopsd reads it: ${what}`, () => {
        // The path has no character that would end the value: a quote inside is allowed, a blank at the end is not.
        fs.writeFileSync(conf, lines(real));
        for (const [name, path] of Object.entries(fragments)) {
          fs.mkdirSync(`${conf}.d`, { recursive: true });
          fs.writeFileSync(join(`${conf}.d`, name), `emu-manager = ${path || real}`);
        }
        const { status, stderr } = run(
          join(place, 'scripts/install-emu-manager'),
          ...['--wrapper', wrapper, '--conf', conf],
        );
        assert.equal(status, 0, stderr);
        assert.match(stderr, new RegExp(`around ${real}\n`));
      });
    }

    for (const [what, lines] of [
      ['# ends a line, even within quotes', (path: string) => `emu-manager = "${path} # old"`],
      ['a carriage return belongs to the path', (path: string) => `emu-manager = ${path}\r\n`],
    ] as const) {
      it(`allows the wrapper's removal, xenopsd does not find it: ${what}`, () => {
        install();
        fs.writeFileSync(conf, lines(wrapper));
        const { status, stderr } = uninstall();
        assert.equal(status, 0, stderr);
      });
    }

    it("prevents the wrapper's removal, file in xenopsd.conf.d names it", () => {
      install();
      fs.mkdirSync(`${conf}.d`);
      fs.writeFileSync(join(`${conf}.d`, 'local'), `emu-manager = ${wrapper}`);
      assert.equal(uninstall().status, 1);
      assert.ok(fs.existsSync(wrapper));
    });
  });

  it('does not remove the wrapper, xenopsd.conf names it', () => {
    install();
    fs.writeFileSync(conf, `emu-manager = ${wrapper} # ours\n`);
    const { status, stderr } = uninstall();
    assert.equal(status, 1);
    assert.match(stderr, /still names .*: say `emu-manager = .*real emu-manager` there, restart xenopsd/);
    assert.ok(fs.existsSync(wrapper));
    fs.writeFileSync(conf, `emu-manager = ${real}\n`);
    assert.equal(uninstall().status, 0);
    assert.ok(!fs.existsSync(wrapper));
    assert.match(uninstall().stderr, /there is no/);
  });

  it('restores an uncompressed guest, ramferry deleted', () => {
    install();
    fs.rmSync(join(place, 'bundle'));
    const { status, stdout, pid } = run(wrapper, '-mode', 'restore');
    assert.equal(status, 7);
    assert.deepEqual(stdout.trim().split('\n'), [`pid ${pid}`, '-mode', 'restore']);
    assert.equal(run(wrapper, '-mode', 'save', '-compress', 'true').status, 1);
  });

  it('prints its usage, and refuses invalid arguments with status 2', () => {
    assert.equal(run(join(place, 'scripts/install-emu-manager'), '--help').status, 0);
    assert.equal(install('--what').status, 2);
    assert.equal(install('--wrapper', 'relative').status, 2);
    assert.equal(uninstall('--', '--codec', 'zstd').status, 2);
  });
});
