// `ProcessMeter`: processor time since its construction, and peak resident memory.
// The simulated guest reports these figures, because it shares a machine with the processes that are measured.

import { peakMemory } from './peak-memory.js';

export interface ProcessCost {
  /** All threads, user and system, in seconds. */
  readonly 'cpu-seconds': number;
  /** Bytes. */
  readonly 'peak-memory': number;
}

export class ProcessMeter {
  readonly #start = process.cpuUsage();

  cost(): ProcessCost {
    const { user, system } = process.cpuUsage(this.#start);
    return {
      'cpu-seconds': Math.round((user + system) / 1000) / 1000,
      'peak-memory': peakMemory(),
    };
  }
}
