// The shared memory of a page store: its pages, and whose turn it is at them. The same on both sides: the sender's workers
// read and write it as they encode, the receiver's is its mirror.

import { storeMemoryBytes } from '../chunk/page-store.js';
import { libc } from '../os/libc.js';
import { PAGE_BYTES } from '../page/size.js';
import type { WorkerStartUp } from '../slot/start-up.js';
import { allocateTurns } from '../slot/turns.js';

export type SharedStore = NonNullable<WorkerStartUp['store']>;

/** Gives memory of a store of so many bytes of pages that is there already; undefined where there is none. */
export type StoreMemory = (bytes: number) => SharedArrayBuffer | undefined;

/** @param bytes of pages, a multiple of 4096. Memory that is never touched costs nothing. */
export function storeMemory(bytes: number): SharedArrayBuffer {
  const pages = new SharedArrayBuffer(storeMemoryBytes(bytes / PAGE_BYTES));
  // The store is filled from slot 0 on, a page at a time: the first touch of a page costs five times as much when it is small.
  libc()?.largePages(pages);
  return pages;
}

/**
 * @param bytes of pages, a multiple of 4096; 0 = no store
 * @param underWay most chunks that are under way at once
 * @param ready memory that is there already
 */
export function allocateStore(bytes: number, underWay: number, ready?: StoreMemory): SharedStore | undefined {
  if (bytes === 0) return undefined;
  return { pages: ready?.(bytes) ?? storeMemory(bytes), turns: allocateTurns(underWay) };
}
