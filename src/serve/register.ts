// The transfers of a server: those that wait or run, and what became of the last ones. The source of `ramferry status`.

import { failureStatus, type RamferryError } from '../errors.js';
import { Statistics } from '../transfer/statistics/statistics.js';
import type { Direction } from './claims.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';

/** How many ended transfers are kept for the status. */
const KEPT = 32;

/** A transfer that waits or runs. */
export interface Served {
  readonly id: number;
  readonly name: string;
  readonly direction: Direction;
  /** Address of the peer that has connected, for people. */
  readonly peer: string;
  readonly controller: AbortController;
  /** Milliseconds on the process's monotonic clock. */
  readonly since: number;
  /** Transfers that come before it; 0 = it runs. */
  ahead: number;
  statistics: Statistics;
}

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

export class Register {
  readonly #running = new Map<number, Served>();
  readonly #recent: Ended[] = [];
  #completed = 0;
  #failed = 0;
  #onEmpty: (() => void)[] = [];

  /** Transfers that wait or run, oldest first. */
  get running(): Served[] {
    return [...this.#running.values()];
  }

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

  begin(guest: Pick<Served, 'id' | 'name' | 'direction' | 'peer'>): Served {
    const served: Served = {
      ...{ ...guest, controller: new AbortController() },
      ...{ since: performance.now(), ahead: 0, statistics: new Statistics() },
    };
    this.#running.set(served.id, served);
    return served;
  }

  /** @param outcome the summary, or what the transfer failed of */
  end(served: Served, outcome: TransferSummary | RamferryError): Ended {
    const { id, name, direction, statistics } = served;
    const failed = outcome instanceof Error;
    const ended: Ended = {
      ...{ id, name, direction },
      status: failed ? failureStatus(outcome.exitCode) : outcome.status,
      ...(failed ? { error: { code: outcome.code, message: outcome.describe() } } : {}),
      guestBytes: statistics.guestBytes,
      linkBytes: statistics.linkBytes,
      duration: Math.round(statistics.progress().elapsed),
    };
    this.#running.delete(id);
    if (failed) this.#failed++;
    else this.#completed++;
    this.#recent.push(ended);
    if (this.#recent.length > KEPT) this.#recent.shift();
    if (this.#running.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve();
    return ended;
  }

  /** Resolves when no transfer waits or runs. */
  async empty(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }
}
