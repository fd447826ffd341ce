// The largest chunk and the largest page stores that fit a memory limit: what a receiver announces to its sender, and what a
// sender takes for itself. Each search tries geometries of plan/memory.ts. Pure.

import { recordCapacity } from '../../chunk/encode.js';
import { MAX_STORE_PAGES } from '../../chunk/page-store.js';
import { MAX_CHUNK_BYTES } from '../../chunk/record.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { SlotGeometry } from '../../slot/layout.js';
import { type MemoryNeeds, receiverGeometry } from './memory.js';

const CHUNK_STEP = 65_536;

/**
 * The largest chunk, in steps of 64 KiB, that a receiver with these threads and this limit can hold; what it tells the
 * sender.
 * @throws ERR_MEMORY_LIMIT when not even the smallest fits
 */
export function largestChunk(
  needs: Omit<MemoryNeeds, 'chunkSize' | 'codecBytes'>,
  codecBytes: (chunkSize: number) => number,
): number {
  const fits = (chunkSize: number): boolean => {
    try {
      receiverGeometry({ ...needs, chunkSize, codecBytes: codecBytes(chunkSize) }, recordCapacity(chunkSize));
      return true;
    } catch {
      return false;
    }
  };
  if (!fits(CHUNK_STEP)) {
    receiverGeometry(
      { ...needs, chunkSize: CHUNK_STEP, codecBytes: codecBytes(CHUNK_STEP) },
      recordCapacity(CHUNK_STEP),
    );
  }
  let low = 1;
  let high = MAX_CHUNK_BYTES / CHUNK_STEP;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle * CHUNK_STEP)) low = middle;
    else high = middle - 1;
  }
  return low * CHUNK_STEP;
}

const STORE_STEP = 1024 * 1024;

/**
 * The largest page store, in steps of 1 MiB up to `most`, that fits and leaves a slot more than the threads need; 0 when
 * there is none.
 * @param geometry with so many bytes of store; throws ERR_MEMORY_LIMIT where that does not fit
 */
export function largestStore(
  most: number,
  threads: number,
  geometry: (storeBytes: number) => SlotGeometry,
): number {
  const fits = (storeBytes: number): boolean => {
    try {
      return geometry(storeBytes).slots >= threads + 2;
    } catch {
      return false;
    }
  };
  let low = 0;
  let high = Math.floor(Math.min(most, MAX_STORE_PAGES * PAGE_BYTES) / STORE_STEP);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle * STORE_STEP)) low = middle;
    else high = middle - 1;
  }
  return low * STORE_STEP;
}

/**
 * The page stores that a receiver can hold beside chunks of up to 64 KiB, 128 KiB, … 64 MiB; what it tells the sender.
 * @param needs of the receiver, and `codecBytes` for chunks of a size
 */
export function receiverStores(
  needs: Omit<MemoryNeeds, 'chunkSize' | 'codecBytes' | 'storeBytes'>,
  codecBytes: (chunkSize: number) => number,
): number[] {
  const stores: number[] = [];
  for (let chunkSize = CHUNK_STEP; chunkSize <= MAX_CHUNK_BYTES; chunkSize *= 2) {
    const rest = { ...needs, chunkSize, codecBytes: codecBytes(chunkSize) };
    const geometry = (storeBytes: number): SlotGeometry =>
      receiverGeometry({ ...rest, storeBytes }, recordCapacity(chunkSize));
    stores.push(largestStore(Infinity, needs.threads, geometry));
  }
  return stores;
}

/** Of receiverStores(): the one for chunks of this size; 0 where the receiver has told none. */
export function storeBeside(stores: readonly number[], chunkSize: number): number {
  return stores[Math.max(0, Math.ceil(Math.log2(chunkSize / CHUNK_STEP)))] ?? 0;
}
