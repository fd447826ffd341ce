// The option for hypervisors that open several connections for one migration.

import { count } from '../kinds.js';
import { LIMITS } from '../limits.js';
import type { Rows } from '../row.js';

export interface HypervisorOptions {
  /**
   * Most connections of the hypervisor that are open at once, 1 to 257: one for the stream, and one for each multifd channel, or one for
   * postcopy preempt. `send` goes on accepting while the migration runs, and `receive` connects to the destination once for each, in the same
   * order. Both sides must set it. Needs addresses of tcp or unix; `send` must listen for its input, `receive` too. Default 1.
   */
  readonly hypervisorConnections?: number | undefined;
}

export const HYPERVISOR_ROWS = {
  hypervisorConnections: {
    kind: count(LIMITS.hypervisorConnections),
    help: 'most connections that QEMU opens at once: one, and one for each multifd channel or for postcopy-preempt',
    commands: ['send', 'receive'],
    default: 1,
    environment: true,
  },
} as const satisfies Rows;
