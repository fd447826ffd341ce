// How many CPUs this process may use: the minimum of its affinity mask and the CPU quotas of its control groups.
// Node.js ignores quotas: in a container with a quota of 2 CPUs on a host with 64 it reports 64.
// Never fails: a limit that cannot be read counts as no limit.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, posix } from 'node:path';

/** The sources of the limits; tests pass a small file tree. */
export interface CpuSources {
  /** Directory that holds proc/ and the mount points. */
  readonly root?: string;
  /** CPUs that the affinity mask allows. */
  readonly affinity?: number;
}

/** CPUs that this process may use, at least 1. A fraction is rounded up. */
export function allowedCpus({ root = '/', affinity = availableParallelism() }: CpuSources = {}): number {
  const quota = cgroupQuota(root);
  return Math.max(1, Math.min(affinity, quota === undefined ? Infinity : Math.ceil(quota)));
}

/** A mounted control group hierarchy that can limit CPU time. */
interface Hierarchy {
  readonly version: 1 | 2;
  readonly mountPoint: string;
  /** The group at the mount point: `/`, or the container's group. */
  readonly mountedGroup: string;
}

/** The smallest quota from this process's group up to the root, in CPUs: a parent's limit applies to all groups below it. */
function cgroupQuota(root: string): number | undefined {
  let smallest: number | undefined;
  for (const hierarchy of hierarchies(root)) {
    const own = ownGroup(root, hierarchy.version);
    if (own === undefined) continue;
    const relative = posix.relative(hierarchy.mountedGroup, own);
    // The group lies outside the mounted subtree: only the quota at the mount point can be read.
    let group = relative.startsWith('..') ? '' : relative;
    for (;;) {
      const quota = quotaOf(join(root, hierarchy.mountPoint, group), hierarchy.version);
      if (quota !== undefined && quota > 0) smallest = Math.min(smallest ?? Infinity, quota);
      if (group === '' || group === '.') break;
      group = posix.dirname(group);
    }
  }
  return smallest;
}

/** /proc/self/mountinfo (proc(5)): …, mounted group, mount point, …, "-", type, source, options. */
function hierarchies(root: string): Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of lines(join(root, 'proc/self/mountinfo'))) {
    const [before, after] = line.split(' - ');
    const [, , , mountedGroup, mountPoint] = before?.split(' ') ?? [];
    const [type, , options] = after?.split(' ') ?? [];
    if (mountedGroup === undefined || mountPoint === undefined) continue;
    if (type === 'cgroup2') found.push({ version: 2, mountPoint, mountedGroup });
    if (type === 'cgroup' && options?.split(',').includes('cpu') === true) {
      found.push({ version: 1, mountPoint, mountedGroup });
    }
  }
  return found;
}

/** /proc/self/cgroup (cgroups(7)): `0::/group` for version 2, `4:cpu,cpuacct:/group` for version 1. */
function ownGroup(root: string, version: 1 | 2): string | undefined {
  for (const line of lines(join(root, 'proc/self/cgroup'))) {
    const [id, controllers, ...group] = line.split(':');
    const matches =
      version === 2 ? id === '0' && controllers === '' : controllers?.split(',').includes('cpu');
    if (matches === true) return group.join(':');
  }
  return undefined;
}

function quotaOf(directory: string, version: 1 | 2): number | undefined {
  const [quota, period] =
    version === 2
      ? (lines(join(directory, 'cpu.max'))[0]?.split(' ').map(Number) ?? [])
      : ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((name) => Number(lines(join(directory, name))[0]));
  // "max" and -1 mean no limit.
  if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0)) return undefined;
  return quota / period;
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
