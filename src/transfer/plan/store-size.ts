// How large the page store of a transfer is: what was asked for, as far as it is of use for the stream, and as both sides
// can hold it. Pure decisions; it opens nothing.

import { recordCapacity } from '../../chunk/encode.js';
import type { Hello } from '../../control/negotiation.js';
import { PAGE_BYTES } from '../../page/size.js';
import { formatSize } from '../../units.js';
import { largestStore, type MemoryNeeds, receiverStores, senderGeometry, storeBeside } from './memory.js';
import {
  DECOMPRESS_THREADS,
  DEFAULT_MEMORY_LIMIT,
  DEFAULT_STORE_BYTES,
  STORE_PART,
} from '../../options/limits.js';
import type { ResolvedSendOptions } from '../../options/transfer.js';

export interface StoreQuestion {
  readonly settings: Pick<ResolvedSendOptions, 'xbzrleCacheSize' | 'memoryLimit' | 'method' | 'onWarning'>;
  /** Whether pages are told from each other and may come again; those of an image come once. */
  readonly identities: boolean;
  /** What the sender needs besides. */
  readonly needs: Omit<MemoryNeeds, 'storeBytes'>;
  /** Of a receiver on a link that goes both ways. */
  readonly hello: Hello | undefined;
  /** Memory of any codec in one thread of a receiver. */
  readonly codecBytes: (chunkSize: number) => number;
}

/** What the page store takes of a memory limit at most when nothing is said; whole pages. */
export function defaultStore(memoryLimit: number): number {
  const bytes = Math.min(DEFAULT_STORE_BYTES, memoryLimit * STORE_PART);
  return bytes - (bytes % PAGE_BYTES);
}

/** Bytes of the page store, whole pages; 0 = none. Warns where less is used than was given. */
export function storeSize({ settings, identities, needs, hello, codecBytes }: StoreQuestion): number {
  const { xbzrleCacheSize: given, memoryLimit, method } = settings;
  if (!identities || method === 'stream' || given === 0) return 0;
  const { chunkSize, threads } = needs;
  if (given !== undefined) {
    const theirs = hello === undefined ? Infinity : storeBeside(hello.stores ?? [], chunkSize);
    if (given > theirs) {
      settings.onWarning?.(`the receiver holds a page store of ${formatSize(theirs)}: using that`);
    }
    return Math.min(given, theirs);
  }
  // Nobody has told what the receiver of a one-way link can hold: what it can without options.
  const stores =
    hello === undefined
      ? receiverStores(
          { limit: DEFAULT_MEMORY_LIMIT, threads: DECOMPRESS_THREADS, extraSlots: 1 },
          codecBytes,
        )
      : (hello.stores ?? []);
  const most = Math.min(defaultStore(memoryLimit), storeBeside(stores, chunkSize));
  return largestStore(most, threads, (storeBytes) =>
    senderGeometry({ ...needs, storeBytes }, recordCapacity(chunkSize)),
  );
}
