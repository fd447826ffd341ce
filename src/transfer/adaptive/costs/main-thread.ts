// What the main thread costs for a chunk and for a byte on the link, learned from the processor time that it used.
// Pure.

import type { MainCost } from '../../../model/pipeline.js';
import { type Policy, POLICY } from '../policy.js';
import type { LearnedCosts } from '../history/prior.js';

export class MainThread {
  readonly #policy: Policy;
  #cost: MainCost;

  /** @param prior what an earlier transfer has measured; absent = the policy's first guesses */
  constructor(policy: Policy = POLICY, prior?: LearnedCosts) {
    this.#policy = policy;
    const { firstNsPerChunk, firstNsPerByte } = policy.mainThread;
    this.#cost = {
      perChunk: prior?.mainNsPerChunk ?? firstNsPerChunk,
      perWireByte: prior?.mainNsPerByte ?? firstNsPerByte,
      perGuestByte: 0,
    };
  }

  /** Nanoseconds. */
  get cost(): MainCost {
    return this.#cost;
  }

  /** @param micros of processor time that these chunks and bytes on the link took */
  learn(micros: number, count: number, wire: number): void {
    const { mainThread, limits } = this.#policy;
    const { perChunk, perWireByte, perGuestByte } = this.#cost;
    const chunks = perChunk * count;
    const bytes = perWireByte * wire;
    const expected = chunks + bytes;
    if (expected === 0) return;
    const seen = (micros * 1e3) / expected - 1;
    const surprise =
      Math.max(-limits.largestMainDrop, Math.min(limits.largestMainRise, seen)) * mainThread.smoothing;
    this.#cost = {
      perChunk: perChunk * (1 + (surprise * chunks) / expected),
      perWireByte: perWireByte * (1 + (surprise * bytes) / expected),
      perGuestByte,
    };
  }
}
