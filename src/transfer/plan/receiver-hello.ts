// Makes the receiver's hello: what it can read and hold, from its plan. It is valid for every stream that may arrive.

import { usableCodecs } from '../../codec/features.js';
import { NATIVE_VERSION } from '../../container/native.js';
import type { Hello } from '../../control/negotiation.js';
import { XENGUEST_VERSIONS } from '../../container/xenguest-mark.js';
import { anyCodecBytes } from './codec-memory.js';
import { checkLeastChunk, fitsLeastChunk, largestChunk, receiverStores } from './largest-fit.js';
import { PROGRESS_INTERVAL_MS } from '../../control/writer.js';

/** What a receiver has for any stream; a RestorePlan has it. */
export interface ReceiverMeans {
  /** Bytes that slots, codecs and the page store may take together. */
  readonly memoryLimit: number;
  readonly threads: number;
  /** Bytes that the most expensive installed codec takes in one thread, for chunks of this size. */
  readonly codecBytes: (chunkSize: number) => number;
}

function memoryNeeds({ memoryLimit, threads }: ReceiverMeans) {
  return { limit: memoryLimit, threads, extraSlots: 1 };
}

/** Codecs load only where their memory decides. @throws ERR_MEMORY_LIMIT when there is too little memory for any stream */
export function checkMemory(means: ReceiverMeans): void {
  if (fitsLeastChunk({ ...memoryNeeds(means), storeBytes: 0 }, anyCodecBytes)) return;
  checkLeastChunk({ ...memoryNeeds(means), storeBytes: 0 }, means.codecBytes);
}

/** @throws as checkMemory */
export function receiverHello(means: ReceiverMeans): Hello {
  const { memoryLimit, codecBytes } = means;
  const needs = memoryNeeds(means);
  return {
    software: 'ramferry',
    versions: [NATIVE_VERSION],
    codecs: usableCodecs(),
    maxChunk: largestChunk({ ...needs, storeBytes: 0 }, codecBytes),
    memory: memoryLimit,
    stores: receiverStores(needs, codecBytes),
    progressInterval: PROGRESS_INTERVAL_MS,
    xenguest: [...XENGUEST_VERSIONS],
  };
}
