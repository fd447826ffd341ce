// Computes how many slots fit the memory limit. Takes the settings of a transfer and returns a geometry within the limit, or
// throws ERR_MEMORY_LIMIT before any data moves. The figures are upper bounds that bench/transfer/memory.ts checks.

import { recordCapacity } from '../../chunk/encode.js';
import { storeMemoryBytes } from '../../chunk/page-store.js';
import { OPERATIONS_CAPACITY } from '../../chunk/plan.js';
import { MAX_SEGMENTS } from '../../chunk/segments.js';
import { RamferryError } from '../../errors.js';
import { PAGE_BYTES } from '../../page/size.js';
import { slotBytes, type SlotGeometry } from '../../slot/layout.js';
import { LEDGER_BYTES_PER_SLOT } from '../../store/ledger.js';
import { formatSize, KIB, MIB } from '../../units.js';

/** Node.js with ramferry's modules, resident before the first worker starts. */
const PROCESS_BYTES = 72 * MIB;
/** One worker thread: its heap, its stack and its modules. */
export const THREAD_BYTES = 12 * MIB;

/** More slots than this gain no speed: they only touch more cache. */
function usefulSlots(threads: number): number {
  return 2 * threads + 2;
}

/** File input: besides 4 slots per thread, as many as hold so many bytes of chunks, but at most MAX_EXTRA_SLOTS. */
const EXTRA_CHUNK_BYTES = 8 * MIB;
const MAX_EXTRA_SLOTS = 8;

/**
 * Slots beyond which more gain nothing with file input. File input profits from more slots than a stream does:
 * - No guest's downtime depends on the queue.
 * - The workers read into buffers of their own, so little of the slots' memory is touched.
 * - Regions of zeros and regions of data balance each other.
 * - Into a file, one write takes many chunks.
 *
 * With larger chunks fewer slots suffice (12 of 2 or 4 MiB took as long as 8), and a link that slows down has less to drain.
 */
export function usefulSlotsFromFile(threads: number, chunkSize: number): number {
  return 4 * threads + Math.min(MAX_EXTRA_SLOTS, Math.ceil(EXTRA_CHUNK_BYTES / chunkSize));
}

/** Bytes that exist once in a process, however many transfers share its threads. */
export function sharedBytes(threads: number): number {
  return PROCESS_BYTES + threads * THREAD_BYTES;
}

export interface MemoryNeeds {
  /** Bytes. */
  readonly limit: number;
  readonly threads: number;
  /** Bytes. */
  readonly chunkSize: number;
  /** Bytes that the codec takes in one thread, besides slots. */
  readonly codecBytes: number;
  /** Slots that are needed besides one per thread. */
  readonly extraSlots: number;
  /** Bytes of the page store's pages; 0 = none. */
  readonly storeBytes: number;
  /** Slots beyond which more gain nothing; two per thread and two more by default. */
  readonly usefulSlots?: number;
}

/** Largest window, in bytes, that a foreign zstd frame may require. The process and the streaming decoder's buffers come first. */
export function windowRoom(limit: number): number {
  return Math.max(0, limit - PROCESS_BYTES - STREAMING_BYTES);
}

/** Input, output and block buffers of the streaming decoder, and libzstd's own tables. */
const STREAMING_BYTES = 8 * MIB;

/** Everything that is laid out for one side, besides the number of slots. */
interface Layout {
  readonly slot: Omit<SlotGeometry, 'slots'>;
  /** Bytes of one thread's buffers. */
  readonly scratch: number;
  /** Bytes of the page store and its bookkeeping. */
  readonly store: number;
}

function fixedBytes({ threads, codecBytes }: MemoryNeeds, { scratch, store }: Layout): number {
  return PROCESS_BYTES + store + threads * (THREAD_BYTES + codecBytes + scratch);
}

function leastSlots({ threads, extraSlots }: MemoryNeeds): number {
  return threads + extraSlots;
}

/** The geometry within the limit; undefined where the least number of slots does not fit. */
function fit(needs: MemoryNeeds, layout: Layout): SlotGeometry | undefined {
  const least = leastSlots(needs);
  const slots = Math.min(
    Math.floor((needs.limit - fixedBytes(needs, layout)) / slotBytes(layout.slot)),
    Math.max(needs.usefulSlots ?? usefulSlots(needs.threads), least),
  );
  return slots < least ? undefined : { ...layout.slot, slots };
}

/** ERR_MEMORY_LIMIT with the memory that would be enough. */
function tooLittle(needs: MemoryNeeds, layout: Layout): RamferryError {
  const { limit, threads } = needs;
  const enough = fixedBytes(needs, layout) + leastSlots(needs) * slotBytes(layout.slot);
  return new RamferryError(
    'ERR_MEMORY_LIMIT',
    `${threads} threads with chunks of ${formatSize(needs.chunkSize)} need ${formatSize(enough)}, ` +
      `the memory limit is ${formatSize(limit)}`,
    {
      hint:
        layout.store === 0
          ? 'use fewer threads, a smaller --chunk-size or a larger --memory-limit'
          : `use a larger --memory-limit, or send with a smaller --xbzrle-cache-size (${formatSize(needs.storeBytes)} now)`,
    },
  );
}

function senderLayout(needs: MemoryNeeds, output: number): Layout {
  const slot = {
    segments: MAX_SEGMENTS,
    suggestions: needs.storeBytes === 0 ? 0 : Math.ceil(needs.chunkSize / PAGE_BYTES),
    headroom: OPERATIONS_CAPACITY,
    input: needs.chunkSize,
    output,
  };
  return { slot, scratch: senderScratch(needs), store: senderStore(needs) };
}

/**
 * Slots of a sender: stream bytes in, records out. Undefined where they exceed the limit.
 * @param output upper bound of the bytes that a chunk takes in the container
 */
export function senderFit(needs: MemoryNeeds, output: number): SlotGeometry | undefined {
  return fit(needs, senderLayout(needs, output));
}

/** As senderFit. @throws ERR_MEMORY_LIMIT where they exceed the limit */
export function senderGeometry(needs: MemoryNeeds, output: number): SlotGeometry {
  const geometry = senderFit(needs, output);
  if (geometry === undefined) throw tooLittle(needs, senderLayout(needs, output));
  return geometry;
}

/** Buffers of one sending thread. */
function senderScratch({ chunkSize }: Pick<MemoryNeeds, 'chunkSize'>): number {
  return chunkSize + OPERATIONS_CAPACITY;
}

/** The page store and the ledger of its pages. */
function senderStore({ storeBytes }: Pick<MemoryNeeds, 'storeBytes'>): number {
  const pages = storeBytes / PAGE_BYTES;
  return storeMemoryBytes(pages) + pages * LEDGER_BYTES_PER_SLOT;
}

/** Upper bounds of the memory that a transfer takes, in bytes. */
export interface MemoryShares {
  /** Node.js and ramferry's modules. */
  readonly process: number;
  /** The worker threads: heaps, codecs, buffers. */
  readonly threads: number;
  readonly slots: number;
  /** The page store and the ledger of its pages. */
  readonly store: number;
}

/** Memory that a sender with these slots takes. */
export function senderShares(needs: MemoryNeeds, geometry: SlotGeometry): MemoryShares {
  return {
    process: PROCESS_BYTES,
    threads: needs.threads * (THREAD_BYTES + needs.codecBytes + senderScratch(needs)),
    slots: geometry.slots * slotBytes(geometry),
    store: senderStore(needs),
  };
}

/**
 * Whether a sender's codec leaves memory for so many slots. The default is the useful number of slots: a level that costs slots
 * costs speed.
 */
export function hasRoom(
  needs: Pick<MemoryNeeds, 'limit' | 'threads' | 'chunkSize' | 'codecBytes'>,
  slots = usefulSlots(needs.threads),
): boolean {
  const all = { ...needs, extraSlots: 1, storeBytes: 0 };
  return (senderFit(all, recordCapacity(needs.chunkSize))?.slots ?? 0) >= slots;
}

function receiverLayout(needs: MemoryNeeds, input: number): Layout {
  return {
    slot: { segments: 0, headroom: 0, input, output: Math.max(needs.chunkSize, 64 * KIB) },
    scratch: recordCapacity(needs.chunkSize),
    store: storeMemoryBytes(needs.storeBytes / PAGE_BYTES),
  };
}

/**
 * Slots of a receiver: records in, stream bytes out. Undefined where they exceed the limit.
 * @param input upper bound of the bytes that a chunk takes in the container
 */
export function receiverFit(needs: MemoryNeeds, input: number): SlotGeometry | undefined {
  return fit(needs, receiverLayout(needs, input));
}

/** As receiverFit. @throws ERR_MEMORY_LIMIT where they exceed the limit */
export function receiverGeometry(needs: MemoryNeeds, input: number): SlotGeometry {
  const geometry = receiverFit(needs, input);
  if (geometry === undefined) throw tooLittle(needs, receiverLayout(needs, input));
  return geometry;
}

/** ERR_STREAM_LIMIT for a stream whose header announces more than the limit; its hint names a limit that is enough. */
export function announcesTooMuch(needs: MemoryNeeds, input: number): RamferryError {
  const cause = tooLittle(needs, receiverLayout(needs, input));
  const enough = formatSize(enoughMemory(needs, input)).replace(' ', '');
  return new RamferryError('ERR_STREAM_LIMIT', `the stream asks for too much: ${cause.message}`, {
    cause,
    hint: `if you trust its sender, receive it with --memory-limit ${enough} or more`,
  });
}

/** The smallest memory limit, in steps of 16 MiB, that meets these needs. */
function enoughMemory(needs: MemoryNeeds, input: number): number {
  const step = 16 * MIB;
  const fits = (steps: number): boolean =>
    receiverFit({ ...needs, limit: steps * step }, input) !== undefined;
  let high = 1;
  while (!fits(high)) high *= 2;
  let low = high / 2;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high * step;
}

/** Least bytes of slots that a receiver needs for chunks of this size. The sender compares it with the receiver's hello. */
export function receiverFloor(chunkSize: number): number {
  return 2 * recordCapacity(chunkSize);
}
