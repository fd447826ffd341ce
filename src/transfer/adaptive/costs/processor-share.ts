// `ProcessorShare`: the share of the processors that the transfer gets while it has work. On a busy host other programs have the rest, and
// every candidate is slower by the same factor. Pure; fed once an interval, time is given.

import type { Interval } from './interval.js';
import { type Policy, POLICY } from '../policy.js';
import type { Machine } from '../prediction.js';

export class ProcessorShare {
  readonly #machine: Pick<Machine, 'threads' | 'cpus'>;
  readonly #rememberedMs: number;
  readonly #least: number;
  /** Microseconds for which work had processors, and for which it wanted them. */
  #had: number;
  #wanted: number;

  constructor(machine: Pick<Machine, 'threads' | 'cpus'>, policy: Policy = POLICY) {
    this.#machine = machine;
    this.#rememberedMs = policy.processors.rememberedMs;
    this.#least = policy.limits.leastProcessorShare;
    this.#had = this.#wanted = policy.processors.firstMs * 1e3;
  }

  /** More than 0; 1 = all that the work can use. */
  get value(): number {
    return Math.max(this.#least, Math.min(1, this.#had / this.#wanted));
  }

  /** @param elapsed milliseconds of the interval */
  record(interval: Interval, elapsed: number): void {
    if (!interval.known) return;
    const { threads, cpus } = this.#machine;
    const kept = Math.exp(-elapsed / this.#rememberedMs);
    // The main thread takes its time from the workers only while they work.
    const overlap = Math.min(1, interval.busy / (threads * elapsed * 1e3));
    this.#had = this.#had * kept + interval.jobs + interval.main * overlap;
    this.#wanted = this.#wanted * kept + interval.busy * Math.min(1, cpus / threads);
  }
}
