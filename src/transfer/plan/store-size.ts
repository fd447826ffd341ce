// How large the page store of a transfer is: what was asked for, as far as it is of use for the stream, and as both sides
// can hold it. Pure decisions; it opens nothing.

import { recordCapacity } from '../../chunk/encode.js';
import type { Hello } from '../../control/negotiation.js';
import { PAGE_BYTES } from '../../page/size.js';
import {
  DECOMPRESS_THREADS,
  DEFAULT_MEMORY_LIMIT,
  DEFAULT_STORE_BYTES,
  STORE_PART,
} from '../../options/limits.js';
import type { ResolvedSendOptions } from '../../options/transfer.js';
import { formatSize } from '../../units.js';
import { codecBytes } from './codec-memory.js';
import { largestStore, receiverStores, storeBeside } from './largest-fit.js';
import { type MemoryNeeds, senderGeometry } from './memory.js';

export interface StoreQuestion {
  readonly settings: Pick<ResolvedSendOptions, 'xbzrleCacheSize' | 'memoryLimit' | 'method' | 'zstdBinding'>;
  /** Whether pages have identities and may be sent again; those of an image are sent once. */
  readonly identities: boolean;
  /** What the sender needs besides. */
  readonly needs: Omit<MemoryNeeds, 'storeBytes'>;
  /** Of a receiver on a duplex link. */
  readonly hello: Hello | undefined;
}

export interface StoreChoice {
  /** Whole pages; 0 = none. */
  readonly bytes: number;
  readonly warnings: readonly string[];
}

/** What the page store takes of a memory limit at most when nothing is said; whole pages. */
export function defaultStore(memoryLimit: number): number {
  const bytes = Math.min(DEFAULT_STORE_BYTES, memoryLimit * STORE_PART);
  return bytes - (bytes % PAGE_BYTES);
}

/** The size of the page store. A size that was given is only narrowed to what the receiver holds, with a warning. */
export function storeSize({ settings, identities, needs, hello }: StoreQuestion): StoreChoice {
  const { xbzrleCacheSize: given, memoryLimit, method } = settings;
  if (!identities || method === 'stream' || given === 0) return { bytes: 0, warnings: [] };
  const { chunkSize, threads } = needs;
  if (given !== undefined) {
    const theirs = hello === undefined ? Infinity : storeBeside(hello.stores ?? [], chunkSize);
    const narrowed = `the receiver holds a page store of ${formatSize(theirs)}: using that`;
    return { bytes: Math.min(given, theirs), warnings: given > theirs ? [narrowed] : [] };
  }
  const most = Math.min(defaultStore(memoryLimit), storeBeside(receiverHolds(settings, hello), chunkSize));
  const bytes = largestStore(most, threads, (storeBytes) =>
    senderGeometry({ ...needs, storeBytes }, recordCapacity(chunkSize)),
  );
  return { bytes, warnings: [] };
}

/** On a one-way link the receiver's limits are not known: those of a receiver without options. */
function receiverHolds(settings: StoreQuestion['settings'], hello: Hello | undefined): readonly number[] {
  if (hello !== undefined) return hello.stores ?? [];
  return receiverStores({ limit: DEFAULT_MEMORY_LIMIT, threads: DECOMPRESS_THREADS, extraSlots: 1 }, (size) =>
    codecBytes(settings, size),
  );
}
