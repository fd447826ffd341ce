// How many slots fit the memory limit. Takes the settings of a transfer, promises a geometry that stays within the
// limit or ERR_MEMORY_LIMIT before any data. The figures are upper bounds that bench/memory.ts checks.

import { recordCapacity } from '../chunk/encode.js';
import { OPERATIONS_CAPACITY } from '../chunk/plan.js';
import { MAX_CHUNK_BYTES } from '../chunk/record.js';
import { MAX_SEGMENTS } from '../chunk/segments.js';
import { RamferryError } from '../errors.js';
import { slotBytes, type SlotGeometry } from '../slot/layout.js';
import { formatSize } from '../units.js';

/** Node itself with ramferry's modules, resident before the first worker starts. */
const PROCESS_BYTES = 72 * 1024 * 1024;
/** One worker thread: its heap, its stack and its modules. */
export const THREAD_BYTES = 12 * 1024 * 1024;

/** More slots than this gain nothing: they only spread the work over more cache. */
function usefulSlots(threads: number): number {
  return 2 * threads + 2;
}

/**
 * From file to file more slots gain something: many chunks leave in one write, and little of a slot's memory is ever
 * touched, because the workers read into their own.
 */
export function usefulSlotsBetweenFiles(threads: number): number {
  return 4 * threads + 8;
}

export interface MemoryNeeds {
  readonly limit: number;
  readonly threads: number;
  readonly chunkSize: number;
  /** Memory of the codec in one thread, besides slots. */
  readonly codecBytes: number;
  /** Slots that are needed besides one a thread. */
  readonly extraSlots: number;
  /** Bytes of the page store. */
  readonly storeBytes: number;
  /** Slots beyond which more gain nothing; two a thread and two by default. */
  readonly usefulSlots?: number;
}

function fit(needs: MemoryNeeds, geometry: Omit<SlotGeometry, 'slots'>, scratch: number): SlotGeometry {
  const { limit, threads, codecBytes, extraSlots, storeBytes } = needs;
  const fixed = PROCESS_BYTES + storeBytes + threads * (THREAD_BYTES + codecBytes + scratch);
  const each = slotBytes(geometry);
  const least = threads + extraSlots;
  const slots = Math.min(
    Math.floor((limit - fixed) / each),
    Math.max(needs.usefulSlots ?? usefulSlots(threads), least),
  );
  if (slots < least) {
    throw new RamferryError(
      'ERR_MEMORY_LIMIT',
      `${threads} threads with chunks of ${formatSize(needs.chunkSize)} need ${formatSize(fixed + least * each)}, ` +
        `the memory limit is ${formatSize(limit)}`,
      { hint: 'use fewer threads, a smaller --chunk-size or a larger --memory-limit' },
    );
  }
  return { ...geometry, slots };
}

/**
 * Slots of a sender: stream bytes in, records out.
 * @param output bytes that a chunk can take as it leaves
 */
export function senderGeometry(needs: MemoryNeeds, output: number): SlotGeometry {
  const geometry = {
    segments: MAX_SEGMENTS,
    headroom: OPERATIONS_CAPACITY,
    input: needs.chunkSize,
    output,
  };
  return fit(needs, geometry, needs.chunkSize + OPERATIONS_CAPACITY);
}

/** Whether a sender's codec leaves room for as many slots as are of use: a level that costs slots costs speed. */
export function hasRoom(needs: Pick<MemoryNeeds, 'limit' | 'threads' | 'chunkSize' | 'codecBytes'>): boolean {
  const all = { ...needs, extraSlots: 1, storeBytes: 0 };
  try {
    return senderGeometry(all, recordCapacity(needs.chunkSize)).slots >= usefulSlots(needs.threads);
  } catch {
    return false;
  }
}

/**
 * Slots of a receiver: records in, stream bytes out.
 * @param input bytes that a chunk can take as it arrives
 */
export function receiverGeometry(needs: MemoryNeeds, input: number): SlotGeometry {
  const geometry = {
    segments: 0,
    headroom: 0,
    input,
    output: Math.max(needs.chunkSize, 65_536),
  };
  return fit(needs, geometry, recordCapacity(needs.chunkSize));
}

/** Bytes of slots that a receiver of this stream holds at the least; what the sender asks for in the handshake. */
export function receiverFloor(chunkSize: number): number {
  return 2 * recordCapacity(chunkSize);
}

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
