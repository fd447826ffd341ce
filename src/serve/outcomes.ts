// What became of a server's transfers: counts, and the last ones for the status.

import { failureStatus, type RamferryError } from '../errors.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';
import type { Direction } from './claims.js';

/** How many ended transfers are kept for the status. */
const KEPT = 32;

/** What became of a transfer. */
export interface Ended {
  readonly id: number;
  readonly name: string;
  readonly direction: Direction;
  readonly status: TransferSummary['status'];
  /** The error's code and text; absent where the transfer succeeded. */
  readonly error?: { readonly code: string; readonly message: string };
  readonly guestBytes: number;
  readonly linkBytes: number;
  /** Milliseconds from admission to the end. */
  readonly duration: number;
}

/** @param outcome the summary, or what the transfer failed of */
export function endOf(
  transfer: Omit<Ended, 'status' | 'error'>,
  outcome: TransferSummary | RamferryError,
): Ended {
  if (!(outcome instanceof Error)) return { ...transfer, status: outcome.status };
  const { code, exitCode } = outcome;
  return { ...transfer, status: failureStatus(exitCode), error: { code, message: outcome.describe() } };
}

export class Outcomes {
  readonly #recent: Ended[] = [];
  #completed = 0;
  #failed = 0;

  /** The last transfers that ended, newest last. */
  get recent(): readonly Ended[] {
    return this.#recent;
  }

  get completed(): number {
    return this.#completed;
  }

  get failed(): number {
    return this.#failed;
  }

  add(ended: Ended): void {
    if (ended.error === undefined) this.#completed++;
    else this.#failed++;
    this.#recent.push(ended);
    if (this.#recent.length > KEPT) this.#recent.shift();
  }
}
