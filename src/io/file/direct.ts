// Past the page cache (O_DIRECT): where in some memory a transfer may begin, and reads. A file system does not say beforehand what
// it allows, and JavaScript cannot ask for aligned memory, so places are tried out, page boundaries first.

import fs from 'node:fs';
import { libc } from '../../os/libc.js';
import { inputChangedError, readExactlyAt } from './positioned.js';
import { readError } from '../system-error.js';

/** What devices and file systems ask for, the smaller first: in bytes. */
const ALIGNMENTS = [512, 4096] as const;
const LARGEST = 4096;
/** Array buffers begin at multiples of this (V8 and malloc). */
const MEMORY_STEP = 16;

export interface DirectPlaces {
  /** The first place in the memory where a direct transfer may begin. */
  readonly offset: number;
  /** File positions, lengths, and distances from `offset` are multiples of this many bytes. */
  readonly alignment: number;
}

/**
 * Offsets to try, the best first: a page boundary. A device may take less, but then a large transfer, which the system splits, may
 * end in pieces that the device refuses (EINVAL in the middle of an image). Without koffi the boundary is a guess: large memory
 * comes from the system in whole pages, of which malloc keeps the first 16 bytes.
 */
function* offsets(memory: ArrayBufferLike): Iterable<number> {
  yield libc()?.toPage(memory) ?? LARGEST - MEMORY_STEP;
  for (let offset = 0; offset < LARGEST; offset += MEMORY_STEP) yield offset;
}

/**
 * Tries places in `memory` until one works; offsets are below 4096.
 * @param transfer tries a place out; throws what the system says
 * @returns undefined when direct transfers work nowhere
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
        // The next place may work.
      }
    }
  }
  return undefined;
}

/**
 * Finds where in `memory` (at least 12 KiB, its contents are overwritten) direct reads of `fd` work.
 * @returns undefined when they work nowhere.
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

/** @returns a descriptor for direct reads and their alignment, or undefined when that is not to be had. */
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
 * Reads the `length` bytes at `position` into the start of `memory`, which begins at a place found by
 * {@link directPlaces} and has room for the length rounded up to `alignment`.
 * Throws ERR_INPUT_CHANGED where the file ends too early, ERR_INPUT_READ when the system refuses.
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
    // A direct read that is not a multiple of the alignment has met the end of the file.
    if (done < length && (count === 0 || count % alignment !== 0)) {
      throw inputChangedError(position + done, length - done);
    }
  }
}

/**
 * Reads an extent the way its descriptor wants it. `memory` has room for the length rounded up to `alignment`.
 * @param alignment 1 for an ordinary descriptor
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
