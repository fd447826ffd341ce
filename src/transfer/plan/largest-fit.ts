// Finds the largest chunk and the largest page stores that fit a memory limit. A receiver announces the results to its sender; a
// sender sizes its own page store with them. Each search tries geometries of plan/memory.ts. Pure.

import { recordCapacity } from '../../chunk/encode.js';
import { MAX_STORE_PAGES } from '../../chunk/page-store.js';
import { MAX_CHUNK_BYTES } from '../../chunk/record.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { SlotGeometry } from '../../slot/layout.js';
import { KIB, MIB } from '../../units.js';
import { type MemoryNeeds, receiverFit, receiverGeometry } from './memory.js';

const CHUNK_STEP = 64 * KIB;
const STORE_STEP = MIB;

/** The largest number from `least` to `most` that fits, where every smaller number fits, too. `least` itself is not tried. */
function largest(least: number, most: number, fits: (steps: number) => boolean): number {
  let low = least;
  let high = most;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

type ChunkNeeds = Omit<MemoryNeeds, 'chunkSize' | 'codecBytes'>;

function leastChunk(needs: ChunkNeeds, codecBytes: (chunkSize: number) => number): MemoryNeeds {
  return { ...needs, chunkSize: CHUNK_STEP, codecBytes: codecBytes(CHUNK_STEP) };
}

/** Whether a receiver with these threads and this limit can hold the smallest chunk. */
export function fitsLeastChunk(needs: ChunkNeeds, codecBytes: (chunkSize: number) => number): boolean {
  return receiverFit(leastChunk(needs, codecBytes), recordCapacity(CHUNK_STEP)) !== undefined;
}

/** @throws ERR_MEMORY_LIMIT where fitsLeastChunk() is false */
export function checkLeastChunk(needs: ChunkNeeds, codecBytes: (chunkSize: number) => number): void {
  receiverGeometry(leastChunk(needs, codecBytes), recordCapacity(CHUNK_STEP));
}

/**
 * The largest chunk, in steps of 64 KiB, that a receiver with these threads and this limit can hold. The receiver announces it in
 * its hello.
 * @throws as checkLeastChunk
 */
export function largestChunk(needs: ChunkNeeds, codecBytes: (chunkSize: number) => number): number {
  const all = (chunkSize: number): MemoryNeeds => ({
    ...needs,
    chunkSize,
    codecBytes: codecBytes(chunkSize),
  });
  checkLeastChunk(needs, codecBytes);
  const fits = (steps: number): boolean =>
    receiverFit(all(steps * CHUNK_STEP), recordCapacity(steps * CHUNK_STEP)) !== undefined;
  return largest(1, MAX_CHUNK_BYTES / CHUNK_STEP, fits) * CHUNK_STEP;
}

/**
 * The largest page store, in steps of 1 MiB up to `most`, that fits beside two more slots than there are threads; 0 when none
 * fits.
 * @param fit returns the geometry for a store of so many bytes; undefined when it does not fit
 */
export function largestStore(
  most: number,
  threads: number,
  fit: (storeBytes: number) => SlotGeometry | undefined,
): number {
  const steps = Math.floor(Math.min(most, MAX_STORE_PAGES * PAGE_BYTES) / STORE_STEP);
  return largest(0, steps, (count) => (fit(count * STORE_STEP)?.slots ?? 0) >= threads + 2) * STORE_STEP;
}

/**
 * The largest page stores that a receiver can hold beside chunks of up to 64 KiB, 128 KiB, … 64 MiB. The receiver announces them in
 * its hello.
 * @param needs of the receiver
 * @param codecBytes bytes that a codec takes in one thread, for a chunk size
 */
export function receiverStores(
  needs: Omit<MemoryNeeds, 'chunkSize' | 'codecBytes' | 'storeBytes'>,
  codecBytes: (chunkSize: number) => number,
): number[] {
  const stores: number[] = [];
  for (let chunkSize = CHUNK_STEP; chunkSize <= MAX_CHUNK_BYTES; chunkSize *= 2) {
    const rest = { ...needs, chunkSize, codecBytes: codecBytes(chunkSize) };
    const fit = (storeBytes: number): SlotGeometry | undefined =>
      receiverFit({ ...rest, storeBytes }, recordCapacity(chunkSize));
    stores.push(largestStore(Infinity, needs.threads, fit));
  }
  return stores;
}

/** The entry of receiverStores() for chunks of this size; 0 when the receiver announced none. */
export function storeBeside(stores: readonly number[], chunkSize: number): number {
  return stores[Math.max(0, Math.ceil(Math.log2(chunkSize / CHUNK_STEP)))] ?? 0;
}
