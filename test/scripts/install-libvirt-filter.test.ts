// scripts/install-libvirt-filter in an installed package, and the filter that it writes, beside the real zstd and gzip.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

const checkout = join(import.meta.dirname, '../../..');
const absent = ['zstd', 'gzip'].find((program) => spawnSync(program, ['--version']).status !== 0);

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly pid: number;
}

describe('scripts/install-libvirt-filter', { skip: absent === undefined ? false : `no ${absent}` }, () => {
  let place: string;
  let directory: string;
  let etc: string;
  let filter: string;
  let dropin: string;

  beforeEach(() => {
    // The path has a quote, a blank and a percent sign, so the script must quote it everywhere.
    place = fs.mkdtempSync(join(tmpdir(), "ramferry install'd 5% "));
    fs.mkdirSync(join(place, 'scripts'));
    fs.copyFileSync(
      join(checkout, 'scripts/install-libvirt-filter'),
      join(place, 'scripts/install-libvirt-filter'),
    );
    fs.symlinkSync(join(checkout, 'bundle'), join(place, 'bundle'));
    directory = join(place, 'filter');
    etc = join(place, 'etc');
    filter = join(directory, 'zstd');
    dropin = join(etc, 'systemd/system/libvirtd.service.d/ramferry-filter.conf');
  });
  afterEach(() => fs.rmSync(place, { recursive: true, force: true }));

  function run(program: string, words: readonly string[], env: Record<string, string> = {}): Result {
    const { status, stdout, stderr, pid } = spawnSync(program, words, {
      encoding: 'utf8',
      cwd: '/',
      env: { ...process.env, ...env },
    });
    return { status, stdout, stderr, pid };
  }
  const script = (...words: string[]): Result =>
    run(join(place, 'scripts/install-libvirt-filter'), ['--directory', directory, '--etc', etc, ...words]);
  const install = (...words: string[]): Result => script('--unit', 'libvirtd', ...words);
  const uninstall = (...words: string[]): Result => script('--uninstall', ...words);

  /** Runs a program as libvirt does: the input is a file at an offset, the output a file behind a header. */
  function pass(program: string, word: string, input: Buffer, env: Record<string, string> = {}): Buffer {
    const header = Buffer.alloc(777, 'h');
    const [from, to] = [join(place, 'from'), join(place, 'to')];
    fs.writeFileSync(from, Buffer.concat([header, input]));
    fs.writeFileSync(to, '');
    const [source, target] = [fs.openSync(from, 'r'), fs.openSync(to, 'r+')];
    fs.readSync(source, Buffer.alloc(header.length));
    fs.writeSync(target, header);
    const { status, stderr } = spawnSync(program, [word], {
      stdio: [source, target, 'pipe'],
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    for (const fd of [source, target]) fs.closeSync(fd);
    assert.equal(status, 0, stderr);
    const output = fs.readFileSync(to);
    assert.deepEqual(output.subarray(0, header.length), header);
    return output.subarray(header.length);
  }

  /** A QEMU stream with several chunks of pages. */
  function memory(): Buffer {
    const pages = [];
    for (let page = 0; page < 1500; page++) {
      const half = createHash('sha512')
        .update(String(page % 900))
        .digest();
      pages.push(
        Buffer.concat(Array.from({ length: 64 }, (_, at) => (at % 2 === 0 ? half : Buffer.alloc(64, at)))),
      );
    }
    return Buffer.concat(pages);
  }

  it('puts the filter on the PATH of the daemon and prints the lines for qemu.conf, run repeatedly', () => {
    for (let time = 0; time < 2; time++) {
      const { status, stdout, stderr } = install();
      assert.equal(status, 0, stderr);
      const formats = ['save', 'snapshot', 'dump'].map((what) => `${what}_image_format = "zstd"\n`);
      assert.equal(stdout, formats.join(''));
      assert.match(stderr, /systemctl daemon-reload && systemctl restart libvirtd/);
      assert.equal(fs.statSync(filter).mode & 0o777, 0o755);
      assert.deepEqual(fs.readdirSync(directory), ['zstd']);
      assert.equal(
        fs.readFileSync(dropin, 'utf8').split('\n').slice(2).join('\n'),
        `[Service]\nEnvironment="PATH=${directory.replace('%', '%%')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"\n`,
      );
    }
  });

  for (const format of ['zstd', 'gzip'] as const) {
    it(`saves what the plain program restores, and restores what it has saved: ${format}`, () => {
      assert.equal(install('--format', format, '--', '--chunk-size', '1MiB').status, 0);
      const program = join(directory, format);
      const input = memory();
      // Settings of an administrator for other transfers must not change the format.
      const env = {
        RAMFERRY_CODEC: 'lz4',
        RAMFERRY_METHOD: 'xenguest',
        RAMFERRY_COMPRESS_LEVEL: 'nonsense',
        RAMFERRY_MAX_SIZE: '1',
        RAMFERRY_OTHER: 'a\nRAMFERRY_b=c',
        NODE_OPTIONS: '--nonsense',
      };
      const saved = pass(program, '-c', input, env);
      assert.ok(saved.length < input.length);
      assert.ok(pass(format, '-dc', saved).equals(input));
      assert.ok(pass(program, '-dc', saved, env).equals(input));
      assert.ok(pass(program, '-dc', pass(format, '-c', input)).equals(input));
      // Method stream: a frame a chunk, not the single frame of the plain program.
      const magic = Buffer.from(format === 'zstd' ? '28b52ffd' : '1f8b08', 'hex');
      assert.ok(saved.indexOf(magic, 1) > 0);
    });
  }

  it('starts the real program for other arguments, with the same arguments and process', () => {
    const real = join(place, 'real zstd');
    fs.writeFileSync(
      real,
      '#!/bin/sh\ncase $#:$1 in 1:-c | 1:-dc) exec zstd "$@" ;; esac\necho "pid $$"\nfor word; do echo "$word"; done\nexit 7\n',
      { mode: 0o755 },
    );
    assert.equal(install('--real', real).status, 0);
    for (const words of [[], ['-d'], ['-c', '-3'], ['-dc', 'a b'], ['-cd'], ['--version'], ['', '-c']]) {
      const { status, stdout, pid } = run(filter, words);
      assert.equal(status, 7);
      assert.equal(stdout, [`pid ${pid}`, ...words, ''].join('\n'));
    }
  });

  it('ends with an error and a message on standard error, like zstd', () => {
    install();
    const saved = pass(filter, '-c', memory());
    const restore = (input: Buffer): Result =>
      spawnSync(filter, ['-dc'], { input, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
    for (const damaged of [
      saved.subarray(0, -5),
      Buffer.concat([saved, Buffer.from('trailing')]),
      Buffer.alloc(0),
    ]) {
      const { status, stderr } = restore(damaged);
      assert.notEqual(status, 0);
      assert.match(stderr, /ERR_/);
    }
    const full = fs.openSync('/dev/full', 'w');
    try {
      for (const [word, input] of [['-c', memory()] as const, ['-dc', saved] as const]) {
        const { status, stderr } = spawnSync(filter, [word], {
          input,
          stdio: ['pipe', full, 'pipe'],
          encoding: 'utf8',
        });
        assert.notEqual(status, 0);
        assert.match(stderr, /ENOSPC|no space/i);
      }
    } finally {
      fs.closeSync(full);
    }
  });

  it('ends with an error, reader gone', () => {
    install();
    fs.writeFileSync(join(place, 'memory'), memory());
    const saved = join(place, 'saved');
    fs.writeFileSync(saved, pass(filter, '-c', memory()));
    for (const [word, input] of [['-c', join(place, 'memory')] as const, ['-dc', saved] as const]) {
      const line = '{ "$0" "$1" <"$2"; echo "status $?" >&2; } | :';
      const { stderr } = run('sh', ['-c', line, filter, word, input]);
      assert.match(stderr, /status [1-9]/);
    }
  });

  it('starts the real program, ramferry deleted', () => {
    install();
    const saved = pass(filter, '-c', memory());
    fs.rmSync(join(place, 'bundle'));
    assert.ok(pass(filter, '-dc', saved).equals(memory()));
    assert.ok(pass('zstd', '-dc', pass(filter, '-c', memory())).equals(memory()));
  });

  it('installs nothing, options that do not work', () => {
    for (const options of [
      ['--compress-level', '99'],
      ['--method', 'xenguest', '--nonsense'],
      ['file:/nowhere'],
    ]) {
      const { status, stderr } = install('--', ...options);
      assert.equal(status, 1);
      assert.match(stderr, /the check failed: nothing was installed/);
      assert.deepEqual(fs.readdirSync(directory), []);
      assert.ok(!fs.existsSync(dropin));
    }
  });

  it('does not replace a file that it did not write, and backs it up with --force', () => {
    fs.mkdirSync(directory);
    fs.writeFileSync(filter, 'theirs\n');
    assert.match(install().stderr, /is not ours; --force/);
    assert.equal(fs.readFileSync(filter, 'utf8'), 'theirs\n');
    assert.equal(uninstall().status, 1);
    assert.equal(install('--force').status, 0);
    assert.equal(uninstall().status, 0);
    assert.equal(fs.readFileSync(filter, 'utf8'), 'theirs\n');
    assert.deepEqual(fs.readdirSync(directory), ['zstd']);
  });

  it('refuses a filter that would start itself', () => {
    install();
    assert.match(install('--real', filter).stderr, /is a filter of ours/);
    fs.mkdirSync(join(place, 'other'));
    const real = join(place, 'other/zstd');
    fs.copyFileSync('/bin/sh', real);
    fs.chmodSync(real, 0o755);
    assert.match(
      install('--directory', join(place, 'other'), '--real', real, '--force').stderr,
      /cannot take the place/,
    );
    // The filter's own directory may be on the PATH.
    const installer = join(place, 'scripts/install-libvirt-filter');
    const words = ['--directory', directory, '--etc', etc, '--no-unit'];
    const { status, stderr } = run(installer, words, { PATH: `${directory}:${process.env['PATH'] ?? ''}` });
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, new RegExp(`around ${directory}`));
  });

  it("removes the drop-in with the last filter, and no other's", () => {
    install();
    install('--format', 'gzip');
    const other = join(etc, 'systemd/system/virtqemud.service.d/ramferry-filter.conf');
    fs.mkdirSync(join(other, '..'));
    fs.writeFileSync(other, 'theirs\n');
    assert.equal(uninstall().status, 0);
    assert.ok(fs.existsSync(dropin));
    const { status, stderr } = uninstall('--format', 'gzip');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /systemctl restart libvirtd/);
    assert.ok(!fs.existsSync(join(dropin, '..')));
    assert.equal(fs.readFileSync(other, 'utf8'), 'theirs\n');
    assert.match(uninstall().stderr, /there is no/);
  });

  it('leaves a PATH of the administrator alone', () => {
    for (const [path, text] of [
      ['default/libvirtd', 'A=b\nPATH=/opt/bin:/usr/bin\n'],
      ['systemd/system/libvirtd.service.d/local.conf', '[Service]\nEnvironment=A=b "PATH=/opt/bin"\n'],
    ] as const) {
      const file = join(etc, path);
      fs.mkdirSync(join(file, '..'), { recursive: true });
      fs.writeFileSync(file, text);
      const { status, stderr } = install();
      assert.equal(status, 1);
      assert.match(stderr, /sets the PATH of libvirtd: .* --no-unit/);
      assert.ok(!fs.existsSync(filter));
      assert.equal(script('--no-unit').status, 0);
      assert.ok(!fs.existsSync(dropin));
      assert.equal(uninstall().status, 0);
      fs.rmSync(file);
    }
  });

  it('prints the line for AppArmor, profile of the daemon exists', () => {
    assert.doesNotMatch(install().stderr, /AppArmor/);
    fs.mkdirSync(join(etc, 'apparmor.d'));
    fs.writeFileSync(join(etc, 'apparmor.d/usr.sbin.libvirtd'), '');
    const { stderr } = install();
    assert.match(stderr, /apparmor\.d\/local\/usr\.sbin\.libvirtd/);
    assert.ok(stderr.includes(`  "${directory}/*" PUx,\n`));
  });

  it('prints its usage, and refuses invalid arguments with status 2', () => {
    assert.equal(script('--help').status, 0);
    assert.equal(install('--what').status, 2);
    assert.equal(install('--format', 'xz').status, 2);
    assert.equal(install('--real', 'relative').status, 2);
    assert.equal(install('--unit', '../x').status, 2);
    assert.equal(install('--directory').status, 2);
    assert.equal(uninstall('--', '--codec', 'zstd').status, 2);
    assert.equal(script('--no-unit', '--directory', join(place, 'a:b')).status, 1);
  });
});
