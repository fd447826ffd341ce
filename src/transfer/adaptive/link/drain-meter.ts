// How fast a link empties the kernel's buffer, from what the kernel holds at the beginning and the end of each write. While
// the buffer held something throughout, the link had no rest, and what left meanwhile is its rate, whether or not a write
// waited. Pure; fed with every write, time is given.

import { type Policy, POLICY } from '../policy.js';
import type { WriteFigures } from './write-figures.js';

interface Drained {
  readonly bytes: number;
  readonly ms: number;
  readonly at: number;
}

export class DrainMeter {
  readonly #policy: Policy['drain'];
  #bytes = 0;
  #ms = 0;
  #lastEnd = 0;
  /** What the kernel held when the last write ended. */
  #left = 0;
  #intervals: Drained[] = [];

  constructor(policy: Policy = POLICY) {
    this.#policy = policy.drain;
  }

  /** When the link was last seen without a rest, as far as that is remembered; -Infinity = it is not. */
  get lastSaturated(): number {
    return this.#intervals.at(-1)?.at ?? -Infinity;
  }

  recordWrite({ bytes, began, ended, before, queued }: WriteFigures): void {
    const { leftBytes } = this.#policy;
    if (before !== undefined && queued !== undefined && before >= leftBytes) {
      if (this.#left > before) this.#add(this.#left - before, began - this.#lastEnd);
      const left = before + bytes - queued;
      if (queued >= leftBytes && left > 0) this.#add(left, ended - began);
    }
    this.#left = queued ?? 0;
    this.#lastEnd = ended;
  }

  /**
   * Ends an interval.
   * @param counts whether the link limited the draining, and not a reader behind it
   * @param isProbe the interval held a probe: it tells the rate alone
   * @returns bytes per second; undefined where too little is known, or the link had a rest after each write of the interval
   */
  endInterval(now: number, counts: boolean, isProbe = false): number | undefined {
    const { rememberedMs, aloneMs, leastMs } = this.#policy;
    const bytes = this.#bytes;
    const busy = this.#ms;
    this.#bytes = this.#ms = 0;
    this.#intervals = this.#intervals.filter(({ at }) => now - at < rememberedMs);
    if (!counts || busy === 0) return undefined;
    this.#intervals.push({ bytes, ms: busy, at: now });
    if (busy >= (isProbe ? leastMs : aloneMs)) return (bytes / busy) * 1e3;
    const ms = this.#intervals.reduce((sum, interval) => sum + interval.ms, 0);
    if (ms < leastMs) return undefined;
    return (this.#intervals.reduce((sum, interval) => sum + interval.bytes, 0) / ms) * 1e3;
  }

  /** The link has changed: what it did before says nothing. */
  forget(): void {
    this.#intervals = [];
  }

  #add(bytes: number, ms: number): void {
    this.#bytes += bytes;
    this.#ms += ms;
  }
}
