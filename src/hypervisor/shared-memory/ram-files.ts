// The files that are a guest's RAM: opened, checked, never made, resized or replaced, because QEMU has them mapped.
// Promises descriptors of regular files whose sizes are whole pages, in the order in which they were named.

import fs from 'node:fs';

import { RamferryError } from '../../errors.js';
import { PAGE_SIZE } from '../../grammar/grammar.js';
import { systemText } from '../../io/system-error.js';
import type { QemuGuest } from '../qmp/guest.js';

export interface RamFile {
  readonly path: string;
  readonly fd: number;
  /** Bytes. */
  readonly size: number;
  /** No page of it has ever been written: all of it is a hole, which reads as zeros. */
  readonly fresh: boolean;
  readonly device: number;
  readonly inode: number;
}

/** linux/magic.h */
const HUGETLBFS_MAGIC = 0x958458f6;

function unsuitable(path: string, why: string, hint: string, cause?: unknown): RamferryError {
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
        : 'the destination QEMU must have made or mapped it before; it is never made here',
      thrown,
    );
  }
  try {
    const { dev, ino, size, blocks } = checkRamFile(path, fd);
    return { path, fd, size, fresh: blocks === 0, device: dev, inode: ino };
  } catch (thrown) {
    fs.closeSync(fd);
    throw thrown;
  }
}

function checkRamFile(path: string, fd: number): fs.Stats {
  const stats = fs.fstatSync(fd);
  if (!stats.isFile()) {
    throw unsuitable(path, 'is not a regular file', 'RAM must be a file or a memfd with share=on');
  }
  // A descriptor has a path of its own, also where the name is gone (memfd).
  if (fs.statfsSync(`/proc/self/fd/${fd}`).type === HUGETLBFS_MAGIC) {
    throw unsuitable(
      path,
      'lies on hugetlbfs, which can be neither read nor written as a file',
      'use memory-backend-file on tmpfs or memory-backend-memfd without hugetlb',
    );
  }
  if (stats.size === 0 || stats.size % PAGE_SIZE !== 0) {
    throw unsuitable(path, `has ${stats.size} bytes, which is no number of pages`, 'is it a RAM file?');
  }
  return stats;
}

/**
 * The files must be all of the guest's memory backends, each of them shared: QEMU would carry any other RAM itself, while
 * the guest is stopped.
 * @throws ERR_GUEST_RAM
 */
export async function checkBackends(guest: QemuGuest, files: readonly RamFile[]): Promise<void> {
  const memories = await guest.memories();
  const privately = memories.find(({ share }) => share === false);
  if (privately !== undefined || memories.length === 0) {
    throw unsuitable(
      privately === undefined ? "the guest's RAM" : `memory backend ${privately.id ?? ''}`,
      'is not shared',
      'start QEMU with -object memory-backend-file,…,share=on (or memfd) and -machine memory-backend=ID',
    );
  }
  const left = [...files];
  for (const memory of memories) {
    const path = await guest.memoryPath(memory);
    const stats = path === undefined ? undefined : fs.statSync(path, { throwIfNoEntry: false });
    // Where QEMU knows no name, or one that means nothing here (another mount namespace), sizes must do.
    const index = left.findIndex((file) =>
      stats?.isFile() === true
        ? file.device === stats.dev && file.inode === stats.ino
        : file.size === memory.size,
    );
    if (index < 0 || left[index]!.size !== memory.size) {
      throw unsuitable(
        `memory backend ${memory.id ?? ''} (${path ?? 'without a name'}, ${memory.size} bytes)`,
        `is none of the files named with --ram (${files.map(({ path: name, size }) => `${name}: ${size} bytes`).join(', ')})`,
        'name the file of every memory backend',
      );
    }
    left.splice(index, 1);
  }
  if (left.length > 0) {
    throw unsuitable(
      left.map(({ path: name }) => name).join(', '),
      'is no memory backend of this QEMU',
      'name the RAM files of this guest only',
    );
  }
}
