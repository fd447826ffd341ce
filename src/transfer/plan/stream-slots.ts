// Computes a receiver's slots for a stream whose header announces what its chunks need. Pure.

import type { StreamNeeds } from '../../container/inlet.js';
import type { SlotGeometry } from '../../slot/layout.js';
import { announcesTooMuch, receiverFit } from './memory.js';
import type { RestorePlan } from './receive-plan.js';

/**
 * @returns undefined when the needs are optional and exceed the plan's memory limit
 * @throws ERR_STREAM_LIMIT when they are not optional and exceed it
 */
export function streamSlots(
  { threads, memoryLimit, codecBytes }: RestorePlan,
  { maxChunk, inputBytes, storeBytes, window, optional }: StreamNeeds,
): SlotGeometry | undefined {
  const needs = {
    limit: memoryLimit,
    threads,
    chunkSize: maxChunk,
    codecBytes: codecBytes(maxChunk),
    // Each chunk that waits in the reorder window holds a slot.
    extraSlots: window,
    storeBytes,
  };
  const geometry = receiverFit(needs, inputBytes);
  if (geometry === undefined && !optional) throw announcesTooMuch(needs, inputBytes);
  return geometry;
}
