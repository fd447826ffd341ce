// How fast a link empties the kernel's buffer: from what the kernel holds at the end of one write, and at the beginning and the
// end of the next. While something was left throughout, the link had no rest, and what left meanwhile is its rate, whether
// or not anybody had to wait. Pure; fed with every write, time is given.

import type { WriteFigures } from './write-figures.js';

/** The kernel holds bytes that are on their way, too: with less than this the link may have had a rest. */
const LEFT_BYTES = 48 * 1024;
/** Milliseconds without a rest that tell a rate, */
const LEAST_MS = 2;
/** so many of one window alone, */
const ALONE_MS = 10;
/** and for how long they are remembered. */
const REMEMBERED_MS = 600;

interface Drained {
  readonly bytes: number;
  readonly ms: number;
  readonly at: number;
}

export class DrainMeter {
  #bytes = 0;
  #ms = 0;
  #lastEnd = 0;
  #left = 0;
  #windows: Drained[] = [];

  /** When the link was last seen without a rest, as far as that is remembered; -Infinity = it is not. */
  get seen(): number {
    return this.#windows.at(-1)?.at ?? -Infinity;
  }

  wrote({ bytes, began, ended, before, queued }: WriteFigures): void {
    if (before !== undefined && queued !== undefined && before >= LEFT_BYTES) {
      if (this.#left > before) this.#add(this.#left - before, began - this.#lastEnd);
      const left = before + bytes - queued;
      if (queued >= LEFT_BYTES && left > 0) this.#add(left, ended - began);
    }
    this.#left = queued ?? 0;
    this.#lastEnd = ended;
  }

  /**
   * Ends a window.
   * @param counts whether it was the link that emptied the buffer no faster, and not a reader behind it
   * @returns bytes per second; undefined where too little is known, or the link had a rest after each write of this window
   */
  look(now: number, counts: boolean): number | undefined {
    const bytes = this.#bytes;
    const busy = this.#ms;
    this.#bytes = this.#ms = 0;
    this.#windows = this.#windows.filter(({ at }) => now - at < REMEMBERED_MS);
    if (!counts || busy === 0) return undefined;
    this.#windows.push({ bytes, ms: busy, at: now });
    if (busy >= ALONE_MS) return (bytes / busy) * 1e3;
    const ms = this.#windows.reduce((sum, window) => sum + window.ms, 0);
    if (ms < LEAST_MS) return undefined;
    return (this.#windows.reduce((sum, { bytes }) => sum + bytes, 0) / ms) * 1e3;
  }

  /** The link is another one: what it did before says nothing. */
  forget(): void {
    this.#windows = [];
  }

  #add(bytes: number, ms: number): void {
    this.#bytes += bytes;
    this.#ms += ms;
  }
}
