// `CpuGovernor`: keeps the process within its share of processor time. The sender waits before it pushes a chunk while the process has
// used more than the elapsed time allows. Chunks that are already in the pool run to their end.

import { setTimeout as sleep } from 'node:timers/promises';

/** Seconds of the share that may be used in advance, and that unused time saves up at most. */
const SLACK_S = 0.05;

/** The clocks that the governor reads; tests pass their own. */
export interface CpuMeter {
  /** Seconds on the wall. */
  now(): number;
  /** Seconds of processor time of all threads. */
  used(): number;
  sleep(seconds: number): Promise<void>;
}

const processMeter: CpuMeter = {
  now: () => performance.now() / 1e3,
  used: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  sleep: (seconds) => sleep(seconds * 1e3),
};

export class CpuGovernor {
  readonly #cpus: number;
  readonly #meter: CpuMeter;
  /** Wall clock and processor time at the last call, in seconds. */
  #now: number;
  #used: number;
  /** Seconds of processor time used beyond the share. */
  #overdraft = 0;

  /** @param cpus processors that may be used, more than 0; may be a fraction */
  constructor(cpus: number, meter: CpuMeter = processMeter) {
    this.#cpus = cpus;
    this.#meter = meter;
    this.#now = meter.now();
    this.#used = meter.used();
  }

  /** Resolves when there is processor time for another chunk. @returns undefined when there is at once */
  admit(): Promise<void> | undefined {
    const now = this.#meter.now();
    const used = this.#meter.used();
    const slack = SLACK_S * this.#cpus;
    this.#overdraft = Math.max(-slack, this.#overdraft + used - this.#used - (now - this.#now) * this.#cpus);
    this.#now = now;
    this.#used = used;
    return this.#overdraft > slack ? this.#meter.sleep(this.#overdraft / this.#cpus) : undefined;
  }
}
