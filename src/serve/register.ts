// The transfers of a server: those that wait or run, and what became of the last ones. The source of `ramferry status`.

import type { RamferryError } from '../errors.js';
import { Statistics } from '../transfer/statistics/statistics.js';
import type { Direction } from './claims.js';
import { type Ended, endOf, Outcomes } from './outcomes.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';

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

export class Register {
  readonly #running = new Map<number, Served>();
  /** Transfers that have ended and whose result is still kept for their sender. */
  readonly #kept = new Set<Served>();
  readonly outcomes = new Outcomes();
  #onEmpty: (() => void)[] = [];

  /** Transfers that wait or run, oldest first. */
  get running(): Served[] {
    return [...this.#running.values()];
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
    const { guestBytes, linkBytes } = statistics;
    const duration = Math.round(statistics.progress().elapsed);
    const ended = endOf({ id, name, direction, guestBytes, linkBytes, duration }, outcome);
    this.#running.delete(id);
    this.outcomes.add(ended);
    this.#look();
    return ended;
  }

  /** The result of a transfer is kept for its sender until `late` settles. */
  keep(served: Served, late: Promise<unknown>): void {
    this.#kept.add(served);
    const over = (): void => {
      this.#kept.delete(served);
      this.#look();
    };
    late.then(over, over);
  }

  /** Ends the running transfers with this error, and keeps no result any longer. */
  abort(error: RamferryError): void {
    for (const { controller } of [...this.#running.values(), ...this.#kept]) controller.abort(error);
  }

  /** Resolves when no transfer waits or runs, and no result is kept. */
  async empty(): Promise<void> {
    if (this.#isEmpty) return;
    await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  get #isEmpty(): boolean {
    return this.#running.size === 0 && this.#kept.size === 0;
  }

  #look(): void {
    if (this.#isEmpty) for (const resolve of this.#onEmpty.splice(0)) resolve();
  }
}
