// A scan job, in a slot: an extent of a guest's RAM is read and the pages that differ from what was sent before are moved
// to the front of the input area, their numbers (within the extent) into the segment table. It shares a slot's first
// numbers with every other job (JOB.state and the worker's own), and has its own meaning for the rest.

import { JOB, JOB_WIDE } from './job.js';
import type { WorkerStartUp } from './start-up.js';

/** Indices into a slot's 32-bit integers. */
export const SCAN = {
  /** Descriptor of the RAM file. */
  fd: JOB.task,
  /** Bytes of the extent, whole pages. */
  length: JOB.inputLength,
  /** Result: how many pages differ. */
  changed: JOB.segments,
  /** One of SCAN_MODE. */
  mode: JOB.flags,
} as const;

/** Indices into a slot's doubles. */
export const SCAN_WIDE = {
  /** Where in the file the extent begins. */
  at: JOB_WIDE.offset,
  /** Its first page's place in the table of hashes. */
  page: JOB_WIDE.readAt,
  /** Its first block's place in the table of blocks. */
  block: JOB_WIDE.writeAt,
} as const;

export const SCAN_MODE = {
  /** Every page is new; the table learns them all. */
  all: 0,
  /** The table learns what differs. */
  changed: 1,
  /** Nothing is learned and nothing moved: only counted. */
  compare: 2,
} as const;

/**
 * Pages are compared by blocks first: one hash over 64 KiB costs half of what sixteen hashes over a page do, and most
 * blocks of a guest have not changed.
 */
export const BLOCK_PAGES = 16;

export interface ScanStartUp extends WorkerStartUp {
  /** A 64-bit hash a page: of the copy that was sent last. */
  readonly hashes: SharedArrayBuffer;
  /** The same for blocks of BLOCK_PAGES pages. */
  readonly blocks: SharedArrayBuffer;
  /** Differs from one transfer to the next, so that no guest can prepare pages that collide. */
  readonly seed: bigint;
}
