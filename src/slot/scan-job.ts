// A scan job: the worker reads an extent of a guest's RAM and moves the pages that differ from what was sent before to the front
// of the input area, their numbers (within the extent) into the segment table.

import { Job } from './job.js';

export const SCAN_MODE = {
  /** Every page counts as changed; the table takes their hashes. */
  all: 0,
  /** The table takes the hashes of the pages that differ. */
  changed: 1,
  /** Pages that differ are counted; nothing is stored or moved. */
  compare: 2,
} as const;

/**
 * Pages are compared by blocks first: one hash over 64 KiB costs half of what sixteen hashes over a page do, and most
 * blocks of a guest have not changed.
 */
export const BLOCK_PAGES = 16;

// Integers.
const FD = 48;
const MODE = 49;
const CHANGED = 50;

// Doubles.
const READ_AT = 6;
const FIRST_PAGE = 7;
const FIRST_BLOCK = 8;

/** `inputLength` is the length of the extent: whole pages. */
export class ScanJob extends Job {
  // --- request ---

  /** Descriptor of the RAM file. */
  get fd(): number {
    return this.ints[FD]!;
  }
  set fd(fd: number) {
    this.ints[FD] = fd;
  }

  /** One of SCAN_MODE. */
  get mode(): number {
    return this.ints[MODE]!;
  }
  set mode(mode: number) {
    this.ints[MODE] = mode;
  }

  /** Where in the file the extent begins. */
  get readAt(): number {
    return this.doubles[READ_AT]!;
  }
  set readAt(position: number) {
    this.doubles[READ_AT] = position;
  }

  /** The first page's place in the table of hashes. */
  get firstPage(): number {
    return this.doubles[FIRST_PAGE]!;
  }
  set firstPage(page: number) {
    this.doubles[FIRST_PAGE] = page;
  }

  /** The first block's place in the table of blocks. */
  get firstBlock(): number {
    return this.doubles[FIRST_BLOCK]!;
  }
  set firstBlock(block: number) {
    this.doubles[FIRST_BLOCK] = block;
  }

  // --- result ---

  /** How many pages differ. */
  get changed(): number {
    return this.ints[CHANGED]!;
  }
  set changed(pages: number) {
    this.ints[CHANGED] = pages;
  }
}
