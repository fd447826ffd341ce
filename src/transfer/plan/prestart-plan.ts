// Decides what a transfer starts while it waits for its peer, and how much memory it leaves to the page store that it will probably
// have. Pure.

import { DEFAULT_CHUNK_BYTES, DEFAULT_STORE_BYTES } from '../../options/limits.js';
import type { ResolvedSendOptions } from '../../options/transfer.js';
import type { Hello } from '../../control/negotiation.js';
import { storeBeside } from './largest-fit.js';
import { defaultStore } from './store-size.js';
import type { Coding } from './transfer-plan.js';

/** Threads to start before the peer connects, and the memory of the transfer. */
export interface PrestartPlan {
  readonly threads: number;
  readonly zstdBinding: string;
  /** Bytes of the page store that the transfer will probably have; 0 = none. */
  readonly storeBytes: number;
  /** Bytes that the warm-up may take. */
  readonly memoryLimit: number;
}

export function planSenderPrestart(
  {
    zstdBinding = '',
    memoryLimit,
    method,
    xbzrleCacheSize,
  }: Pick<ResolvedSendOptions, 'zstdBinding' | 'memoryLimit' | 'method' | 'xbzrleCacheSize'>,
  { threads }: Coding,
): PrestartPlan {
  const wanted = method === 'stream' ? 0 : (xbzrleCacheSize ?? defaultStore(memoryLimit));
  // A larger store would occupy too much memory while the sender waits, and the stream may need none.
  const storeBytes = wanted > DEFAULT_STORE_BYTES ? 0 : wanted;
  return { threads, zstdBinding, storeBytes, memoryLimit: memoryLimit - storeBytes };
}

/** Plans for a sender without options: its default page store where this receiver can hold it, otherwise none. */
export function planReceiverPrestart(
  {
    threads,
    zstdBinding,
    memoryLimit,
  }: { readonly threads: number; readonly zstdBinding: string; readonly memoryLimit: number },
  { stores = [] }: Hello,
): PrestartPlan {
  const storeBytes = storeBeside(stores, DEFAULT_CHUNK_BYTES) < DEFAULT_STORE_BYTES ? 0 : DEFAULT_STORE_BYTES;
  return { threads, zstdBinding, storeBytes, memoryLimit: memoryLimit - storeBytes };
}
