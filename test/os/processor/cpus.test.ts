// How many CPUs there are, from control groups of both versions made of files.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { allowedCpus } from '../../../src/os/processor/cpus.js';

const MOUNT_V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';
const MOUNT_V1 = '32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n';

describe('allowedCpus', () => {
  const roots: string[] = [];
  afterEach(async () => {
    for (const root of roots.splice(0)) await rm(root, { recursive: true });
  });

  async function allowed(files: Record<string, string>, affinity = 64): Promise<number> {
    const root = await mkdtemp(join(tmpdir(), 'ramferry-cpus-'));
    roots.push(root);
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), text);
    }
    return allowedCpus({ root, affinity });
  }

  it('returns the affinity, no readable control group', async () => {
    assert.equal(await allowed({}, 6), 6);
  });

  it('returns the quota of the own group rounded up, cgroup v2', async () => {
    const files = {
      'proc/self/mountinfo': MOUNT_V2,
      'proc/self/cgroup': '0::/a/b\n',
      'sys/fs/cgroup/a/b/cpu.max': '250000 100000\n',
    };
    assert.equal(await allowed(files), 3);
    assert.equal(await allowed(files, 2), 2);
  });

  it('returns the smallest quota of the own group and its parents', async () => {
    const files = {
      'proc/self/mountinfo': MOUNT_V2,
      'proc/self/cgroup': '0::/a/b/c\n',
      'sys/fs/cgroup/a/cpu.max': '200000 100000\n',
      'sys/fs/cgroup/a/b/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/a/b/c/cpu.max': '800000 100000\n',
    };
    assert.equal(await allowed(files), 2);
  });

  it('returns the quota in a container, own group is the mount point', async () => {
    assert.equal(
      await allowed({
        'proc/self/mountinfo': '30 23 0:26 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw\n',
        'proc/self/cgroup': '0::/docker/1f\n',
        'sys/fs/cgroup/cpu.max': '50000 100000\n',
      }),
      1,
    );
  });

  it('returns the quota, cgroup v1 with -1 as none', async () => {
    const files = {
      'proc/self/mountinfo': MOUNT_V1,
      'proc/self/cgroup': '9:memory:/m\n4:cpu,cpuacct:/a\n0::/\n',
      'sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '400000\n',
      'sys/fs/cgroup/cpu/a/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    };
    assert.equal(await allowed(files), 4);
    assert.equal(await allowed({ ...files, 'sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '-1\n' }), 64);
  });

  it('returns the affinity, invalid files', async () => {
    assert.equal(
      await allowed({
        'proc/self/mountinfo': `garbage\n - \n${MOUNT_V2}`,
        'proc/self/cgroup': 'x\n0::/../../escape\n',
        'sys/fs/cgroup/cpu.max': 'lots\n',
      }),
      64,
    );
  });

  it('returns at least one on this host', () => {
    assert.ok(allowedCpus() >= 1);
  });
});
