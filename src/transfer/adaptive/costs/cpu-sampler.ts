// Which jobs' processor time is measured. Reading a thread's clock costs more than all else that adaptive mode does for a chunk,
// because the chunk has emptied the caches. So all long jobs are measured, and some of the short ones.
// Pure; knows nothing of how a job is measured.

import { type Policy, POLICY } from '../policy.js';

export class CpuSampler {
  readonly #policy: Policy['sampling'];
  /** Microseconds of a job, smoothed. */
  #job = 0;
  /** Jobs since the last measured one. */
  #since = 0;
  /** Jobs at the start that are still to be measured. */
  #first: number;

  constructor(policy: Policy = POLICY) {
    this.#policy = policy.sampling;
    this.#first = policy.sampling.firstJobs;
  }

  /** @param micros of processor time of a job; 0 = the job was not measured */
  recordJob(micros: number): void {
    if (micros > 0) this.#job += this.#policy.smoothing * (micros - this.#job);
  }

  /** Whether to measure the next job. */
  next(): boolean {
    if (this.#first > 0) {
      this.#first--;
      return true;
    }
    this.#since++;
    const { rarest, costUs, share } = this.#policy;
    if (this.#since < Math.min(rarest, costUs / (share * this.#job))) return false;
    this.#since = 0;
    return true;
  }
}
