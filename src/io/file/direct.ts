// Direct I/O, past the page cache (O_DIRECT): finds an offset in memory where transfers may begin, and reads. A file system does not
// state its alignment beforehand, and JavaScript cannot allocate aligned memory. So offsets are tried, page boundaries first.

import fs from 'node:fs';
import { libc } from '../../os/libc.js';
import { inputChangedError, readExactlyAt } from './positioned.js';
import { readError } from '../system-error.js';

/** Alignments that devices and file systems require, in bytes, the smaller first. */
const ALIGNMENTS = [512, 4096] as const;
const LARGEST = 4096;
/** Array buffers begin at multiples of this (V8 and malloc). */
const MEMORY_STEP = 16;

export interface DirectPlaces {
  /** The first offset in the memory where a direct transfer may begin. */
  readonly offset: number;
  /** File positions, lengths, and distances from `offset` are multiples of this many bytes. */
  readonly alignment: number;
}

/**
 * Offsets to try, the best first: a page boundary. A device may accept a smaller alignment. But the kernel splits a large transfer, and
 * the device may refuse the pieces (EINVAL in the middle of an image). Without koffi the boundary is a guess: large memory comes from
 * the kernel in whole pages, of which malloc keeps the first 16 bytes.
 */
function* offsets(memory: ArrayBufferLike): Iterable<number> {
  yield libc()?.toPage(memory) ?? LARGEST - MEMORY_STEP;
  for (let offset = 0; offset < LARGEST; offset += MEMORY_STEP) yield offset;
}

/**
 * Tries offsets in `memory`, all below 4096, until one works.
 * @param transfer makes a test transfer; throws the system's error
 * @returns undefined when direct transfers work at no offset
 */
export function findPlaces(
  memory: ArrayBufferLike,
  transfer: (places: DirectPlaces) => boolean,
): DirectPlaces | undefined {
  for (const alignment of ALIGNMENTS) {
    for (const offset of offsets(memory)) {
      try {
        if (transfer({ offset, alignment })) return { offset, alignment };
      } catch {
        // The next offset may work.
      }
    }
  }
  return undefined;
}

/**
 * Finds where in `memory` (at least 12 KiB, its contents are overwritten) direct reads of `fd` work.
 * @returns undefined when they work at no offset
 */
export function directPlaces(fd: number, memory: ArrayBufferLike): DirectPlaces | undefined {
  const read = (offset: number, position: number): number =>
    fs.readSync(fd, new Uint8Array(memory, offset, LARGEST), 0, LARGEST, position);
  return findPlaces(memory, ({ offset, alignment }) => {
    read(offset, alignment);
    read(offset + alignment, 0);
    return true;
  });
}

/** @returns a descriptor for direct reads and their alignment; undefined where direct reads do not work */
export function openDirect(path: string): { fd: number; alignment: number } | undefined {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECT);
  } catch {
    return undefined; // tmpfs before Linux 6.6, FUSE, …
  }
  const places = directPlaces(fd, new SharedArrayBuffer(4 * LARGEST));
  if (places !== undefined) return { fd, alignment: places.alignment };
  fs.closeSync(fd);
  return undefined;
}

/**
 * Reads the `length` bytes at `position` into the start of `memory`. The memory begins at an offset that {@link directPlaces} found,
 * and has room for the length rounded up to `alignment`.
 * @throws ERR_INPUT_CHANGED when the file ends too early, ERR_INPUT_READ when the read fails
 */
export function readDirectAt(
  fd: number,
  memory: Uint8Array,
  length: number,
  position: number,
  alignment: number,
): void {
  let done = 0;
  while (done < length) {
    const rounded = Math.ceil((length - done) / alignment) * alignment;
    let count: number;
    try {
      count = fs.readSync(fd, memory, done, rounded, position + done);
    } catch (thrown) {
      throw readError(`the input at byte ${position + done}`, thrown);
    }
    done += count;
    // A direct read whose length is not a multiple of the alignment has reached the end of the file.
    if (done < length && (count === 0 || count % alignment !== 0)) {
      throw inputChangedError(position + done, length - done);
    }
  }
}

/**
 * Reads an extent, directly or through the page cache. `memory` has room for the length rounded up to `alignment`.
 * @param alignment alignment of direct reads; 1 = read through the page cache
 */
export function readExtent(
  fd: number,
  memory: Uint8Array,
  length: number,
  position: number,
  alignment: number,
): void {
  if (alignment === 1) readExactlyAt(fd, memory.subarray(0, length), position);
  else readDirectAt(fd, memory, length, position, alignment);
}
