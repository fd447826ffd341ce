// The cells of docs/COMPATIBILITY.md: which QEMU, which machine, which way to migrate. Says which cells are impossible, and why.
// Facts only; suite.ts runs them.

/** A QEMU in a directory tree of its own. */
export interface Version {
  readonly name: string;
  /** Root of the tree; `/` = this host's own. */
  readonly root: string;
}

export interface Machine {
  readonly name: string;
  /** Value of -machine. */
  readonly type: string;
  readonly architecture: string;
  readonly memoryMiB: number;
  readonly args: readonly string[];
  /** The device that plugs virtio-mem in, where the machine has one. */
  readonly virtioMem?: string;
}

export const MACHINES: readonly Machine[] = [
  { name: 'pc', type: 'pc', architecture: 'x86_64', memoryMiB: 64, args: [], virtioMem: 'virtio-mem-pci' },
  { name: 'q35', type: 'q35', architecture: 'x86_64', memoryMiB: 64, args: [], virtioMem: 'virtio-mem-pci' },
  {
    name: 'virt',
    type: 'virt',
    architecture: 'aarch64',
    memoryMiB: 64,
    args: ['-cpu', 'cortex-a57'],
    virtioMem: 'virtio-mem-pci',
  },
  { name: 'pseries', type: 'pseries', architecture: 'ppc64', memoryMiB: 256, args: [] },
  {
    name: 's390x',
    type: 's390-ccw-virtio',
    architecture: 's390x',
    memoryMiB: 64,
    // Without a disk the firmware stops the guest. A panicked guest would be paused, and QEMU 10 and 11 abort when that one saves a
    // background snapshot (invalid runstate transition).
    args: ['-no-shutdown', '-action', 'panic=none'],
    virtioMem: 'virtio-mem-ccw',
  },
];

export const WAYS = [
  'plain',
  'return-path',
  'xbzrle',
  'dirty-bitmaps',
  'virtio-mem',
  'vfio',
  'postcopy',
  'multifd',
  'mapped-ram',
  'ignore-shared',
  'background-snapshot',
] as const;
export type Way = (typeof WAYS)[number];

/** The capabilities of each way, at both ends. */
export const CAPABILITIES: Readonly<Record<Way, readonly string[]>> = {
  plain: [],
  'return-path': ['return-path'],
  xbzrle: ['xbzrle'],
  'dirty-bitmaps': ['dirty-bitmaps'],
  'virtio-mem': [],
  vfio: [],
  postcopy: ['postcopy-ram'],
  multifd: ['multifd'],
  'mapped-ram': ['mapped-ram'],
  'ignore-shared': ['x-ignore-shared'],
  'background-snapshot': ['background-snapshot'],
};

/** Ways that need both QEMUs at the same time; all others go through a file. */
export const LIVE: ReadonlySet<Way> = new Set<Way>(['return-path', 'postcopy', 'multifd']);

/** Why a cell cannot exist; undefined where it can. */
export function impossible(version: Version, machine: Machine, way: Way): string | undefined {
  const major = Number(version.name.split('.')[0]);
  if (way === 'mapped-ram' && major < 9) return 'since QEMU 9.0';
  if (way !== 'virtio-mem') return undefined;
  if (machine.virtioMem === undefined) return 'no virtio-mem';
  return machine.name === 's390x' && major < 10 ? 'since QEMU 10.0' : undefined;
}
