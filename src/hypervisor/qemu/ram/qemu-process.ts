// The process of a QEMU as the kernel shows it: its pid, its mapped files, and paths as that process sees them.
// Reads /proc only. Where the kernel denies access, the result is undefined or an empty list.

import fs from 'node:fs';
import path from 'node:path';

/** A file that a process has mapped, shared and writable. */
export interface MappedFile {
  readonly device: bigint;
  readonly inode: bigint;
  /** The mapped range of the file: first mapped byte, and end of the last mapping. */
  readonly from: number;
  readonly to: number;
  /**
   * True: device and inode come from the file itself (map_files, readable by root). False: they come from the text of `maps`,
   * where overlayfs and btrfs show the device of another file system.
   */
  readonly exact: boolean;
}

/** A line of proc_pid_maps(5): start, end, permissions, offset in the file, device, inode. */
const LINE = /^([\da-f]+)-([\da-f]+) rw.s ([\da-f]+) ([\da-f]+):([\da-f]+) (\d+)/;

/** @returns undefined where the process does not exist or access is denied */
export function mappedFiles(pid: number): MappedFile[] | undefined {
  let text: string;
  try {
    text = fs.readFileSync(`/proc/${pid}/maps`, 'latin1');
  } catch {
    return undefined;
  }
  const files = new Map<string, MappedFile>();
  for (const line of text.split('\n')) {
    const mapping = readMapping(pid, line);
    if (mapping === undefined) continue;
    const key = `${mapping.device}:${mapping.inode}`;
    const known = files.get(key) ?? mapping;
    files.set(key, {
      ...known,
      from: Math.min(known.from, mapping.from),
      to: Math.max(known.to, mapping.to),
    });
  }
  return [...files.values()];
}

function readMapping(pid: number, line: string): MappedFile | undefined {
  const [, start = '', end = '', offset = '', major = '', minor = '', inode = ''] = LINE.exec(line) ?? [];
  if (inode === '' || inode === '0') return undefined;
  const from = Number.parseInt(offset, 16);
  const to = from + Number(BigInt(`0x${end}`) - BigInt(`0x${start}`));
  try {
    const { dev, ino } = fs.statSync(`/proc/${pid}/map_files/${start}-${end}`, { bigint: true });
    return { device: dev, inode: ino, from, to, exact: true };
  } catch {
    const device = deviceNumber(BigInt(`0x${major}`), BigInt(`0x${minor}`));
    return { device, inode: BigInt(inode), from, to, exact: false };
  }
}

/** The device number as in stat(2): makedev(3). */
function deviceNumber(major: bigint, minor: bigint): bigint {
  return (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
}

/** linux/magic.h: file systems whose device in `maps` differs from stat(2)'s. */
const OTHER_DEVICE = new Set([0x794c7630, 0x9123683e]);

/** True where the path leads to the mapped file. */
export function isMapped({ device, inode, exact }: MappedFile, name: string): boolean {
  try {
    const { dev, ino } = fs.statSync(name, { bigint: true });
    if (ino !== inode) return false;
    return dev === device || (!exact && OTHER_DEVICE.has(fs.statfsSync(name).type));
  } catch {
    return false;
  }
}

/** Symbolic links to follow before a path counts as a loop: path_resolution(7). */
const MAX_LINKS = 40;

/**
 * Translates a path of the other process into a path of this process. Resolves symbolic links itself, because the kernel would
 * resolve an absolute link from the root of this process.
 */
export function pathInProcess(pid: number, name: string): string {
  const root = `/proc/${pid}/root`;
  const left = parts(name);
  let base = name.startsWith('/') ? root : `/proc/${pid}/cwd`;
  let below: string[] = [];
  for (let links = 0; left.length > 0;) {
    const part = left.shift()!;
    if (part === '..') {
      if (below.length > 0) below.pop();
      else if (base !== root) base += '/..';
      continue;
    }
    const link = links < MAX_LINKS ? readLink([base, ...below, part].join('/')) : undefined;
    if (link === undefined) {
      below.push(part);
      continue;
    }
    links++;
    if (link.startsWith('/')) {
      base = root;
      below = [];
    }
    left.unshift(...parts(link));
  }
  return [base, ...below].join('/');
}

/** The part of a path below the root directory of a process in a chroot; '' where there is none. */
export function pathBelowRoot(pid: number, name: string): string {
  const root = readLink(`/proc/${pid}/root`);
  try {
    const real = fs.realpathSync(name);
    return root !== undefined && root !== '/' && real.startsWith(`${root}/`) ? real.slice(root.length) : '';
  } catch {
    return '';
  }
}

function parts(name: string): string[] {
  return name.split('/').filter((part) => part !== '' && part !== '.');
}

function readLink(name: string): string | undefined {
  try {
    return fs.readlinkSync(name);
  } catch {
    return undefined;
  }
}

/** The program's name; '' where there is no such process. */
export function programOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/**
 * Processes that hold the listening socket of a path. Its creator may have passed it to another process: libvirtd does so.
 */
export function holdersOf(socketPath: string): number[] {
  const socket = identity(socketPath);
  const listeners = listenersNamed(path.basename(socketPath));
  if (socket === undefined || listeners.size === 0) return [];
  return processes().filter((pid) =>
    descriptorsOf(pid).some(({ target }) => {
      const name = listeners.get(target);
      // Many sockets have the same last path component: the file must be the same one.
      return name !== undefined && identity(pathInProcess(pid, name)) === socket;
    }),
  );
}

/** /proc/net/unix: the flags of a listener have __SO_ACCEPTCON; then type, state, inode and path. */
const LISTENER = /^\S+ \S+ \S+ 0001\d{4} \S+ \S+ +(\d+) (.+)$/gm;

/** Listening sockets of this network namespace with this last path component: `socket:[INODE]` → path. */
function listenersNamed(name: string): Map<string, string> {
  const found = new Map<string, string>();
  try {
    for (const [, inode, bound] of fs.readFileSync('/proc/net/unix', 'utf8').matchAll(LISTENER)) {
      if (path.basename(bound!) === name) found.set(`socket:[${inode}]`, bound!);
    }
  } catch {
    // Without /proc/net/unix no listeners are known.
  }
  return found;
}

export function isSameFile(one: string, other: string): boolean {
  const found = identity(one);
  return found !== undefined && found === identity(other);
}

function identity(name: string): string | undefined {
  try {
    const { dev, ino } = fs.statSync(name, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

function processes(): number[] {
  try {
    return fs.readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** The open descriptors of a process: the path of each in /proc, and its target. */
export function descriptorsOf(pid: number): { readonly path: string; readonly target: string }[] {
  const directory = `/proc/${pid}/fd`;
  try {
    return fs.readdirSync(directory).map((fd) => {
      const name = `${directory}/${fd}`;
      return { path: name, target: readLink(name) ?? '' };
    });
  } catch {
    return [];
  }
}
