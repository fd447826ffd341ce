// The shared memory of a page store: its pages, and the turns of chunks at them. The sender's workers read and write the store as
// they encode; the receiver's store is its mirror.

import { storeMemoryBytes } from '../chunk/page-store.js';
import { reportsFreePages } from '../os/memory/free-pages.js';
import { libc } from '../os/libc.js';
import { Populator } from '../os/memory/populator.js';
import { PAGE_BYTES } from '../page/size.js';
import type { WorkerStartUp } from '../slot/start-up.js';
import { allocateTurns } from '../slot/turns.js';

export type SharedStore = NonNullable<WorkerStartUp['store']>;

/** Gives prepared memory for a store of so many bytes of pages; undefined where there is none. */
export type StoreMemory = (bytes: number) => SharedArrayBuffer | undefined;

/** @param bytes of pages, a multiple of 4096. The system gives memory as pages come: what is never touched costs nothing. */
export function storeMemory(bytes: number): SharedArrayBuffer {
  const pages = new SharedArrayBuffer(storeMemoryBytes(bytes / PAGE_BYTES));
  // The store is filled from slot 0 on, page by page. With small pages the first touch costs five times as much. But where the kernel
  // reports free memory, large pages come from reported blocks: 64 MiB took 63 to 240 ms, with small pages 41 to 56 (kernel 6.18).
  if (!reportsFreePages()) libc()?.largePages(pages);
  return pages;
}

/**
 * @param bytes of pages, a multiple of 4096; 0 = no store
 * @param underWay most chunks that are under way at once
 * @param ready prepared memory
 */
export function allocateStore(bytes: number, underWay: number, ready?: StoreMemory): SharedStore | undefined {
  if (bytes === 0) return undefined;
  return { pages: ready?.(bytes) ?? storeMemory(bytes), turns: allocateTurns(underWay) };
}

/** Has the system find the store's memory ahead of its use. For the calling thread alone: in each thread koffi would have to be loaded. */
export function storeAhead({ store }: Pick<WorkerStartUp, 'store'>): Populator | undefined {
  return store === undefined ? undefined : new Populator(store.pages);
}
