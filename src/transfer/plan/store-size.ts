// Decides the size of the page store: the requested size, narrowed to what both sides can hold; 0 where the stream has no use for
// a store. Reads which codecs are installed; has no other side effects.

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
import { type MemoryNeeds, senderFit } from './memory.js';

export interface StoreQuestion {
  readonly settings: Pick<ResolvedSendOptions, 'xbzrleCacheSize' | 'memoryLimit' | 'method' | 'zstdBinding'>;
  /** Pages have identities and may be sent again. False for a RAM image, whose pages are sent once. */
  readonly identities: boolean;
  /** The sender's other memory needs. */
  readonly needs: Omit<MemoryNeeds, 'storeBytes'>;
  /** The receiver's hello; undefined on a one-way link. */
  readonly hello: Hello | undefined;
}

export interface StoreChoice {
  /** Whole pages; 0 = none. */
  readonly bytes: number;
  readonly warnings: readonly string[];
}

/** Largest page store that is chosen for a memory limit by default; whole pages. */
export function defaultStore(memoryLimit: number): number {
  const bytes = Math.min(DEFAULT_STORE_BYTES, memoryLimit * STORE_PART);
  return bytes - (bytes % PAGE_BYTES);
}

/** The size of the page store. A size that the user gave is narrowed only by the receiver's limit, with a warning. */
export function storeSize({ settings, identities, needs, hello }: StoreQuestion): StoreChoice {
  const { xbzrleCacheSize: given, memoryLimit, method } = settings;
  if (!identities || method === 'stream' || given === 0) return { bytes: 0, warnings: [] };
  const { chunkSize, threads } = needs;
  if (given !== undefined) {
    const receiverBytes = hello === undefined ? Infinity : storeBeside(hello.stores ?? [], chunkSize);
    const notice = `the receiver holds a page store of ${formatSize(receiverBytes)}: using that`;
    return { bytes: Math.min(given, receiverBytes), warnings: given > receiverBytes ? [notice] : [] };
  }
  const most = Math.min(defaultStore(memoryLimit), storeBeside(receiverHolds(settings, hello), chunkSize));
  const bytes = largestStore(most, threads, (storeBytes) =>
    senderFit({ ...needs, storeBytes }, recordCapacity(chunkSize)),
  );
  return { bytes, warnings: [] };
}

/** The page stores that the receiver holds. On a one-way link they are unknown; a receiver with default options is assumed. */
function receiverHolds(settings: StoreQuestion['settings'], hello: Hello | undefined): readonly number[] {
  if (hello !== undefined) return hello.stores ?? [];
  return receiverStores({ limit: DEFAULT_MEMORY_LIMIT, threads: DECOMPRESS_THREADS, extraSlots: 1 }, (size) =>
    codecBytes(settings, size),
  );
}
