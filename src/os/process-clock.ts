// Processor time of this process, and which part of it the main thread used: what the workers cost is the difference.
// The kernel's own account (schedstat(5), nanoseconds); where it is not compiled in, all time counts as the workers'.

import { readFileSync } from 'node:fs';

const OWN = '/proc/thread-self/schedstat';

function ownSeconds(): number {
  try {
    return Number(readFileSync(OWN, 'latin1').split(' ', 1)[0]) / 1e9;
  } catch {
    return 0;
  }
}

/** Measures from its construction, or from the last reset. */
export class ProcessClock {
  #all!: NodeJS.CpuUsage;
  #own!: number;
  #wall!: number;

  constructor() {
    this.reset();
  }

  reset(): void {
    this.#own = ownSeconds();
    this.#all = process.cpuUsage();
    this.#wall = performance.now();
  }

  /** Seconds of processor time of the calling thread. */
  own(): number {
    return ownSeconds() - this.#own;
  }

  /** Seconds of processor time of all threads. */
  all(): number {
    const { user, system } = process.cpuUsage(this.#all);
    return (user + system) / 1e6;
  }

  /** Seconds of processor time of all threads but the calling one. */
  others(): number {
    return Math.max(0, this.all() - this.own());
  }

  /** Elapsed seconds. */
  wall(): number {
    return (performance.now() - this.#wall) / 1e3;
  }
}
