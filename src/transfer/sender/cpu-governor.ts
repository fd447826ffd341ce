// Keeps a transfer within its share of processor time: whoever is about to push a chunk waits while more was used than
// the time that went by allows. Looks at the whole process; what is under way when it stops still runs to its end.

import { setTimeout as sleep } from 'node:timers/promises';

/** So much may be used beforehand, in seconds of the share; what was not used is not saved up beyond it either. */
const SLACK_S = 0.05;

/** What the governor looks at; tests put their own clock in its place. */
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
  /** Time and processor time up to which everything is in order. */
  #now: number;
  #used: number;
  #ahead = 0;

  /** @param cpus processors that may be used, more than 0; may be a fraction */
  constructor(cpus: number, meter: CpuMeter = processMeter) {
    this.#cpus = cpus;
    this.#meter = meter;
    this.#now = meter.now();
    this.#used = meter.used();
  }

  /** Resolves when there is processor time for another chunk; undefined when there is at once. */
  admit(): Promise<void> | undefined {
    const now = this.#meter.now();
    const used = this.#meter.used();
    const slack = SLACK_S * this.#cpus;
    this.#ahead = Math.max(-slack, this.#ahead + used - this.#used - (now - this.#now) * this.#cpus);
    this.#now = now;
    this.#used = used;
    return this.#ahead > slack ? this.#meter.sleep(this.#ahead / this.#cpus) : undefined;
  }
}
