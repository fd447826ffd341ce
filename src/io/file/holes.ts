// `openHoles`: finds the holes of a sparse regular file: extents of zero bytes that no disk holds and that need not be read.
// A hole reported wrongly would lose guest memory, so only file systems that are known to be correct are asked. On all others, and
// when the system call fails, the whole file counts as data.

import fs from 'node:fs';
import type { PositionedInput } from '../bytes.js';
import { type Libc, libc, SEEK_DATA, SEEK_HOLE } from '../../os/libc.js';

/**
 * File system types of statfs(2) (linux/magic.h). Not trusted: ZFS, which until 2.2.2 reported holes in place of dirty data (openzfs
 * issue 15526), and overlayfs, NFS and FUSE, which may pass on the answer of such a file system.
 */
const TRUSTED_TYPES: ReadonlySet<number> = new Set([
  0xef53, // ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x01021994, // tmpfs
]);

/** The unit of stat(2)'s `blocks`. */
const BLOCK_BYTES = 512;

const ENXIO = 6;

export interface Holes {
  /** Whether the extent lies wholly in a hole. The caller passes ascending offsets. */
  cover(offset: number, length: number): boolean;
}

/** @returns undefined for a file without holes, or whose holes are not known reliably */
export function openHoles({ fd, size }: PositionedInput): Holes | undefined {
  try {
    // A file with all its blocks allocated needs no further system call.
    if (fs.fstatSync(fd).blocks * BLOCK_BYTES >= size) return undefined;
    if (!TRUSTED_TYPES.has(fs.statfsSync(`/proc/self/fd/${fd}`).type)) return undefined;
  } catch {
    return undefined;
  }
  const calls = libc();
  return calls && new HoleWalk(calls, fd, size);
}

/** Walks holes and data alternately, with at most two system calls for each pair. */
class HoleWalk implements Holes {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #size: number;
  /** [hole, data) is a hole, and [data, nextHole) is data. */
  #hole = 0;
  #data = 0;
  #nextHole = 0;

  constructor(calls: Libc, fd: number, size: number) {
    this.#libc = calls;
    this.#fd = fd;
    this.#size = size;
  }

  cover(offset: number, length: number): boolean {
    if (offset >= this.#nextHole) this.#advance(offset);
    return offset >= this.#hole && offset + length <= this.#data;
  }

  #advance(offset: number): void {
    const data = this.#libc.seek(this.#fd, offset, SEEK_DATA);
    if (data === -ENXIO) {
      // No data up to the end of the file. Bytes that are appended later are not part of the input.
      this.#set(offset, this.#size, Infinity);
    } else if (data < offset) {
      this.#set(0, 0, Infinity);
    } else {
      const hole = this.#libc.seek(this.#fd, data, SEEK_HOLE);
      this.#set(offset, data, hole > data ? hole : Infinity);
    }
  }

  #set(hole: number, data: number, nextHole: number): void {
    this.#hole = hole;
    this.#data = data;
    this.#nextHole = nextHole;
  }
}
