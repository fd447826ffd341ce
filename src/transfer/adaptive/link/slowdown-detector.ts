// Consecutive writes that leave at less than half the estimated rate: the link has become slow. One slow write may have waited
// for a lost packet. Pure; fed with every write that waited.

import { type Policy, POLICY } from '../policy.js';

export class SlowdownDetector {
  readonly #policy: Policy['slowdown'];
  #writes = 0;
  #bytes = 0;
  #ms = 0;

  constructor(policy: Policy = POLICY) {
    this.#policy = policy.slowdown;
  }

  /**
   * Records a write that waited.
   * @param bytes that left meanwhile
   * @param rate estimated bytes per second of the link
   */
  recordWait(bytes: number, ms: number, rate: number): void {
    if ((bytes / ms) * 1e3 > this.#policy.slowShare * rate) {
      this.reset();
      return;
    }
    this.#writes++;
    this.#bytes += bytes;
    this.#ms += ms;
  }

  /** A write did not wait. */
  reset(): void {
    this.#writes = this.#bytes = this.#ms = 0;
  }

  /** Bytes per second that the link carries now; undefined where it has not become slow, or not for long enough. */
  get rate(): number | undefined {
    const { leastWrites, leastMs } = this.#policy;
    return this.#writes < leastWrites || this.#ms < leastMs ? undefined : (this.#bytes / this.#ms) * 1e3;
  }
}
