// Opens and checks the files of a guest's RAM. Never creates, resizes or replaces them, because QEMU has them mapped.
// Returns descriptors of regular files with whole pages, in the given order. guest-ram.ts decides which file belongs to which
// memory backend.

import fs from 'node:fs';

import { RamferryError } from '../../../errors.js';
import { systemText } from '../../../io/system-error.js';
import { PAGE_BYTES } from '../../../page/size.js';
import type { MemoryBackend } from '../qmp/memory.js';

export interface RamFile {
  readonly path: string;
  readonly fd: number;
  /** Bytes. */
  readonly size: number;
  /** No page was ever written: the file is one hole, which reads as zeros. */
  readonly fresh: boolean;
  readonly device: bigint;
  readonly inode: bigint;
  /** The memory backend of this file; undefined without proof. */
  readonly backend?: MemoryBackend | undefined;
}

/** linux/magic.h */
const HUGETLBFS_MAGIC = 0x958458f6;

export function unsuitable(path: string, why: string, hint: string, cause?: unknown): RamferryError {
  return new RamferryError('ERR_GUEST_RAM', `${path} ${why}`, { hint, cause });
}

/** @throws ERR_GUEST_RAM; nothing stays open then */
export function openRamFiles(paths: readonly string[], access: 'read' | 'write'): RamFile[] {
  const files: RamFile[] = [];
  try {
    for (const path of paths) files.push(openRamFile(path, access));
    const names = new Set(files.map(({ device, inode }) => `${device}:${inode}`));
    if (names.size < files.length) {
      throw unsuitable(paths.join(', '), 'are the same file twice', 'name each RAM file once');
    }
    return files;
  } catch (thrown) {
    closeRamFiles(files);
    throw thrown;
  }
}

/** Bytes of RAM in all files. */
export function ramBytes(files: readonly RamFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

export function closeRamFiles(files: readonly RamFile[]): void {
  for (const { fd } of files) fs.closeSync(fd);
}

function openRamFile(path: string, access: 'read' | 'write'): RamFile {
  let fd: number;
  try {
    fd = fs.openSync(path, access === 'read' ? 'r' : 'r+');
  } catch (thrown) {
    throw unsuitable(
      path,
      `cannot be opened: ${systemText(thrown)}`,
      access === 'read'
        ? "name the guest's RAM file, for a memfd /proc/PID/fd/N"
        : 'the destination QEMU must have created or mapped it before; ramferry does not create it',
      thrown,
    );
  }
  try {
    const { dev, ino, size, blocks } = checkRamFile(path, fd);
    return { path, fd, size: Number(size), fresh: blocks === 0n, device: dev, inode: ino };
  } catch (thrown) {
    fs.closeSync(fd);
    throw thrown;
  }
}

function checkRamFile(path: string, fd: number): fs.BigIntStats {
  // A `number` would round the inodes of overlayfs, which uses the highest bits.
  const stats = fs.fstatSync(fd, { bigint: true });
  if (!stats.isFile()) {
    throw unsuitable(path, 'is not a regular file', 'RAM must be a memory-backend-file with share=on');
  }
  // The descriptor's path in /proc works also where the file has no name (memfd).
  if (fs.statfsSync(`/proc/self/fd/${fd}`).type === HUGETLBFS_MAGIC) {
    throw unsuitable(
      path,
      'lies on hugetlbfs, which can be neither read nor written as a file',
      'use memory-backend-file on tmpfs, for example mem-path=/dev/shm/NAME',
    );
  }
  if (stats.size === 0n || stats.size % BigInt(PAGE_BYTES) !== 0n) {
    throw unsuitable(path, `has ${stats.size} bytes, which is no whole number of pages`, 'is it a RAM file?');
  }
  return stats;
}
