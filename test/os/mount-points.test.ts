// Mount points by their names, and an output file that is one.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isMountPoint, mountPoints } from '../../src/os/mount-points.js';

const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-mounts-')));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

function whyNoMounts(): string | false {
  if (process.getuid?.() !== 0) return 'only root may mount';
  return spawnSync('unshare', ['--mount', 'true']).status === 0 ? false : 'unshare --mount is not permitted';
}

describe('mountPoints', () => {
  it('decodes the octal escapes of names', () => {
    const table = [
      '22 1 0:21 / /proc rw,relatime shared:12 - proc proc rw',
      '99 1 254:0 /images/a /mnt/a\\040b\\134c\\011d\\012e rw - ext4 /dev/vda rw',
      '',
    ].join('\n');
    assert.deepEqual(mountPoints(table), ['/proc', '/mnt/a b\\c\td\ne']);
  });
});

describe('isMountPoint', () => {
  it('distinguishes a mount point from other names', () => {
    assert.equal(isMountPoint('/proc'), true);
    assert.equal(isMountPoint(directory), false);
  });
});

describe('output file that is a mount point', { skip: whyNoMounts() }, () => {
  it('is refused at once, its file unchanged and no temporary left', () => {
    const names = { host: path.join(directory, 'host'), target: path.join(directory, 'the target') };
    fs.writeFileSync(names.host, 'as it was');
    fs.writeFileSync(names.target, '');
    fs.symlinkSync(names.target, path.join(directory, 'link'));
    fs.writeFileSync(path.join(directory, 'in.ram'), Buffer.alloc(65_536));
    for (const output of ['the target', 'link']) {
      const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
      const send = [process.execPath, MAIN, 'send', '--force', '--format', 'raw', 'in.ram', output];
      const { status, stderr } = spawnSync(
        'unshare',
        ['--mount', 'sh', '-c', script, 'sh', names.host, names.target, ...send],
        { cwd: directory, encoding: 'utf8' },
      );
      assert.match(stderr, /ERR_OUTPUT_OPEN/);
      assert.match(stderr, /it is a mount point/);
      assert.notEqual(status, 0);
      assert.equal(fs.readFileSync(names.host, 'utf8'), 'as it was');
      assert.deepEqual(fs.readdirSync(directory).sort(), ['host', 'in.ram', 'link', 'the target']);
    }
  });
});
