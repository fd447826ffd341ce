// packaging/: units and shell scripts, checked by the programs that will read them, where those are installed. scripts/try-packages
// installs and uses the packages.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { directory } from '../serve/support.js';

const ROOT = join(import.meta.dirname, '../../..');
const UNITS = join(ROOT, 'packaging/systemd');
const lacks = (program: string): string | false =>
  spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`;

/** The units with a program that exists; templates get an instance. */
function writtenUnits(): string[] {
  const at = directory();
  return fs.readdirSync(UNITS).map((name) => {
    const path = join(at, name.replace('@', '@web1'));
    fs.writeFileSync(
      path,
      fs.readFileSync(join(UNITS, name), 'utf8').replace('/usr/bin/ramferry', '/bin/true'),
    );
    return path;
  });
}

describe('units', { skip: lacks('systemd-analyze') }, () => {
  it('are right', () => {
    for (const unit of writtenUnits()) {
      const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], {
        encoding: 'utf8',
      });
      assert.equal(stdout + stderr, '', unit);
    }
  });

  it('are exposed by less than 3', () => {
    for (const unit of writtenUnits().filter((path) => path.endsWith('.service'))) {
      const args = ['security', '--offline=true', '--threshold=30', unit];
      const { status, stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
      assert.equal(status, 0, stdout.slice(-300));
    }
  });
});

describe('scripts of the packages', () => {
  for (const path of [
    'packaging/ramferry',
    'packaging/portable-node',
    ...['postinst', 'prerm', 'postrm'].map((name) => `packaging/debian/${name}`),
  ]) {
    it(`${path} is read by sh`, () => {
      const { status, stderr } = spawnSync('sh', ['-n', join(ROOT, path)], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    });
  }
});
