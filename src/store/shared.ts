// The shared memory of a page store: its pages, and whose turn it is at them. The same on both sides: the sender's workers
// read and write it as they encode, the receiver's is its mirror.

import { storeMemoryBytes } from '../chunk/page-store.js';
import { libc } from '../io/libc.js';
import { PAGE_BYTES } from '../page/zero.js';
import type { WorkerStartUp } from '../slot/start-up.js';
import { allocateTurns } from '../slot/turns.js';

export type SharedStore = NonNullable<WorkerStartUp['store']>;

/**
 * @param bytes of pages, a multiple of 4096; 0 = no store. Memory that is never touched costs nothing.
 * @param underWay most chunks that are under way at once
 */
export function allocateStore(bytes: number, underWay: number): SharedStore | undefined {
  if (bytes === 0) return undefined;
  const pages = new SharedArrayBuffer(storeMemoryBytes(bytes / PAGE_BYTES));
  // The store is filled from slot 0 on, a page at a time: the first touch of a page costs five times as much when it is small.
  libc()?.largePages(pages);
  return { pages, turns: allocateTurns(underWay) };
}
