// Makes the receiver's hello: what it can read and hold, from its options. It is valid for every stream that may arrive.

import { usableCodecs } from '../../codec/features.js';
import { NATIVE_VERSION } from '../../container/native.js';
import type { Hello } from '../../control/negotiation.js';
import { XENGUEST_VERSIONS } from '../../container/xenguest-mark.js';
import { codecBytes } from './codec-memory.js';
import { largestChunk, receiverStores } from './largest-fit.js';
import type { ResolvedReceiveOptions } from '../../options/transfer.js';
import { PROGRESS_INTERVAL_MS } from '../../control/channel.js';

/** @throws ERR_MEMORY_LIMIT when there is too little memory for any stream */
export function receiverHello(
  settings: Pick<ResolvedReceiveOptions, 'memoryLimit' | 'decompressThreads'> &
    Partial<Pick<ResolvedReceiveOptions, 'zstdBinding'>>,
): Hello {
  const needs = { limit: settings.memoryLimit, threads: settings.decompressThreads, extraSlots: 1 };
  const ofCodec = (chunkSize: number): number => codecBytes(settings, chunkSize);
  return {
    software: 'ramferry',
    versions: [NATIVE_VERSION],
    codecs: usableCodecs(),
    maxChunk: largestChunk({ ...needs, storeBytes: 0 }, ofCodec),
    memory: settings.memoryLimit,
    stores: receiverStores(needs, ofCodec),
    progressInterval: PROGRESS_INTERVAL_MS,
    xenguest: [...XENGUEST_VERSIONS],
  };
}
