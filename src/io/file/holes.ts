// The holes of a sparse regular file: which of its extents are zero bytes that no disk holds, and need not be read.
// A wrong "hole" would lose guest memory, so only file systems whose answer is known to be right are asked. Everywhere else,
// and wherever the system call fails, the whole file is data.

import fs from 'node:fs';
import type { PositionedInput } from '../bytes.js';
import { type Libc, libc, SEEK_DATA, SEEK_HOLE } from '../../os/libc.js';

/**
 * Types of statfs(2) (linux/magic.h). Left out on purpose: ZFS, which until 2.2.2 reported holes where dirty data lay (openzfs issue
 * 15526), and overlayfs, NFS and FUSE, which pass the answer of such a file system on.
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
  /** Whether the extent lies wholly in a hole. Asked with ascending offsets. */
  cover(offset: number, length: number): boolean;
}

/** @returns undefined for a file that has no holes, or whose holes cannot be told */
export function openHoles({ fd, size }: PositionedInput): Holes | undefined {
  try {
    // A file with all its blocks costs no more than this question.
    if (fs.fstatSync(fd).blocks * BLOCK_BYTES >= size) return undefined;
    if (!TRUSTED_TYPES.has(fs.statfsSync(`/proc/self/fd/${fd}`).type)) return undefined;
  } catch {
    return undefined;
  }
  const calls = libc();
  return calls && new HoleWalk(calls, fd, size);
}

/** Walks hole and data in turn; asks the system twice for each of them at most. */
class HoleWalk implements Holes {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #size: number;
  /** [hole, data) is a hole, what lies between `data` and `nextHole` is data. */
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
      // No data up to the end of the file. What is appended later is not part of the input.
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
