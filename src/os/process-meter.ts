// What this process costs: processor time since a moment, and the most memory it ever had resident.
// For reports of the simulated guest, whose own cost must be known where it shares a machine with what is measured.

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
