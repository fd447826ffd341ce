// The transfers of a server: those that wait or run, and what became of the last ones. The source of `ramferry status`.

import { RamferryError } from '../errors.js';
import { oldestOfBusiestHost } from '../link/listen/strangers.js';
import { Statistics } from '../transfer/statistics/statistics.js';
import type { Direction } from './claims.js';
import { type Ended, endOf, Outcomes } from './outcomes.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';
import { MIB } from '../units.js';

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

/** A result that is kept for its sender. */
export interface Kept {
  readonly ok: boolean;
  /** Upper bound of what it holds. */
  readonly bytes: number;
  /** Where the transfer came from. */
  readonly host: string;
}

/** Results that are kept at the same time. */
export const MOST_KEPT = 256;
/** Bytes that they may hold together. */
export const MOST_KEPT_BYTES = 64 * MIB;

export class Register {
  readonly #running = new Map<number, Served>();
  /** Transfers that have ended and whose result is still kept for their sender, oldest first. */
  readonly #kept = new Map<Served, Kept>();
  readonly outcomes = new Outcomes();
  #held = 0;
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

  /**
   * The result of a transfer is kept for its sender until `late` settles. Beyond MOST_KEPT results or MOST_KEPT_BYTES another one is forgotten: a failure
   * before a success, and the oldest one of the host with the most.
   */
  keep(served: Served, late: Promise<unknown>, kept: Kept): void {
    this.#kept.set(served, kept);
    while (this.#isFull) this.#forgetOne();
    const over = (): void => {
      this.#kept.delete(served);
      this.#look();
    };
    late.then(over, over);
  }

  /** The process goes on until `work` settles. */
  hold(work: Promise<unknown>): void {
    this.#held++;
    const over = (): void => {
      this.#held--;
      this.#look();
    };
    work.then(over, over);
  }

  /** Ends the running transfers with this error, and keeps no result any longer. */
  abort(error: RamferryError): void {
    for (const { controller } of [...this.#running.values(), ...this.#kept.keys()]) controller.abort(error);
  }

  /** Resolves when no transfer waits or runs, no result is kept, and nothing else holds the process. */
  async empty(): Promise<void> {
    if (this.#isEmpty) return;
    await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  get #isEmpty(): boolean {
    return this.#running.size === 0 && this.#kept.size === 0 && this.#held === 0;
  }

  get #isFull(): boolean {
    const bytes = [...this.#kept.values()].reduce((sum, each) => sum + each.bytes, 0);
    return this.#kept.size > MOST_KEPT || bytes > MOST_KEPT_BYTES;
  }

  #forgetOne(): void {
    const all = [...this.#kept];
    const failures = all.filter(([, { ok }]) => !ok);
    const [served] = oldestOfBusiestHost(failures.length > 0 ? failures : all, ([, { host }]) => host);
    this.#kept.delete(served);
    served.controller.abort(new RamferryError('ERR_TERMINATED', 'the server keeps too many results'));
  }

  #look(): void {
    if (this.#isEmpty) for (const resolve of this.#onEmpty.splice(0)) resolve();
  }
}
