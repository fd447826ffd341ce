// `CpuGovernor`: keeps the process within its limit of processor time. While the process has used more than the elapsed time allows,
// the sender waits before it pushes the next chunk. Workers finish the chunks that are already in the pool.

import { setTimeout as sleep } from 'node:timers/promises';

import { processMicros } from '../../os/processor/cpu-time.js';

/** Seconds of the limit that the process may use in advance, and most seconds of unused time that it may save up. */
const SLACK_S = 0.05;

/** The clocks that the governor reads; tests pass their own. */
export interface CpuMeter {
  /** Wall-clock seconds. */
  now(): number;
  /** Seconds of processor time of all threads. */
  used(): number;
  sleep(seconds: number): Promise<void>;
}

const processMeter: CpuMeter = {
  now: () => performance.now() / 1e3,
  used: () => processMicros() / 1e6,
  sleep: (seconds) => sleep(seconds * 1e3),
};

export class CpuGovernor {
  readonly #cpus: number;
  readonly #meter: CpuMeter;
  /** Wall-clock time and processor time at the last call, in seconds. */
  #now: number;
  #used: number;
  /** Seconds of processor time used beyond the limit; negative = saved up. */
  #overdraft = 0;

  /** @param cpus CPUs that the process may use, more than 0; may be a fraction */
  constructor(cpus: number, meter: CpuMeter = processMeter) {
    this.#cpus = cpus;
    this.#meter = meter;
    this.#now = meter.now();
    this.#used = meter.used();
  }

  /** Waits until the process may use processor time for another chunk. @returns undefined when it need not wait */
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
