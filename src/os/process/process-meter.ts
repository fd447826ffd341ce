// `ProcessMeter`: processor time since its construction, and peak resident memory.
// The simulated guest reports these figures, because it shares a machine with the processes that are measured.

import { processMicros } from '../processor/cpu-time.js';
import { peakMemory } from '../memory/peak-memory.js';

export interface ProcessCost {
  /** All threads, user and system, in seconds. */
  readonly 'cpu-seconds': number;
  /** Bytes. */
  readonly 'peak-memory': number;
}

export class ProcessMeter {
  readonly #start = processMicros();

  cost(): ProcessCost {
    return {
      'cpu-seconds': Math.round((processMicros() - this.#start) / 1000) / 1000,
      'peak-memory': peakMemory(),
    };
  }
}
