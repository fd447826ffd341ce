// QEMU's downtime-limit, corrected by the measured compression. QEMU stops the guest when what is left fits the limit at the rate of its
// last 100 ms: the rate before compression, into buffers that may be empty. So the guest would stand still for longer than the limit
// where those pages shrank better than the rest will, or where ramferry still has bytes to send. Pure: the caller measures and sets.

import type { Progress } from '../../../transfer/statistics/summary.js';

/** Until the transfer has been measured, QEMU stops the guest only when nothing is left. */
export const FIRST_LIMIT_MS = 0;
/** Milliseconds over which the link's rate and the recent ratio are measured. */
const RECENT_MS = 1000;
/** The least span that tells anything. */
const SHORTEST_MS = 200;
/** A change by less than this share is not worth a command. */
const WORTHWHILE = 0.1;

interface Mark {
  /** Milliseconds. */
  readonly at: number;
  readonly guest: number;
  readonly link: number;
}

/** QEMU's estimate rises whenever ramferry has room for another chunk: the highest one of this span is expected to return. */
const PEAK_MS = 2000;

/** What QEMU says of its migration. */
export interface QemuRate {
  /** Its estimate, bytes per second. */
  readonly rate: number;
  /** Bytes that it has written. */
  readonly written: number;
  readonly round: number;
}

export class DowntimeLimit {
  readonly #wanted: number;
  readonly #marks: Mark[];
  readonly #rates: { readonly at: number; readonly rate: number }[] = [];
  #told = FIRST_LIMIT_MS;
  /** Guest bytes for each byte on the link, in the worst second of this round so far. */
  #worst = Infinity;
  #round = 0;

  /** @param wanted milliseconds that the guest may stand still. @param now when the migration begins, in milliseconds */
  constructor(wanted: number, now: number) {
    this.#wanted = wanted;
    this.#marks = [{ at: now, guest: 0, link: 0 }];
  }

  /** The engine's account of the transfer. */
  progress({ guestBytes, linkBytes }: Pick<Progress, 'guestBytes' | 'linkBytes'>, now: number): void {
    this.#marks.push({ at: now, guest: guestBytes, link: linkBytes });
    while (this.#marks.length > 2 && this.#marks[1]!.at <= now - RECENT_MS) this.#marks.shift();
    const recent = this.#recent();
    if (recent !== undefined) this.#worst = Math.min(this.#worst, recent.guest / recent.link);
  }

  /** @returns the milliseconds to tell QEMU; undefined: what it was told still fits */
  next({ rate, written, round }: QemuRate, now: number): number | undefined {
    const peak = this.#peak(rate, now);
    const recent = this.#recent();
    const whole = this.#marks.at(-1)!;
    if (recent === undefined || peak <= 0) return undefined;
    if (round > this.#round) {
      // Another round sends other pages.
      this.#round = round;
      this.#worst = recent.guest / recent.link;
    }
    const ratio = Math.min(this.#worst, whole.guest / whole.link);
    // Bytes within the downtime that is wanted.
    const carried = (recent.link / recent.milliseconds) * ratio * this.#wanted;
    const waiting = Math.max(0, written - whole.guest);
    // What waits drains once QEMU has less to write than the link carries: then the limit rises again.
    const left = Math.max(0, carried - waiting);
    const limit = Math.round(Math.min(this.#wanted, (left / peak) * 1000));
    if (limit === this.#told || Math.abs(limit - this.#told) < this.#told * WORTHWHILE) return undefined;
    return (this.#told = limit);
  }

  #peak(rate: number, now: number): number {
    this.#rates.push({ at: now, rate });
    while (this.#rates[0]!.at < now - PEAK_MS) this.#rates.shift();
    return Math.max(...this.#rates.map((sample) => sample.rate));
  }

  /** What passed in the last second; undefined before there is enough. */
  #recent(): { readonly milliseconds: number; readonly guest: number; readonly link: number } | undefined {
    const first = this.#marks[0]!;
    const last = this.#marks.at(-1)!;
    const milliseconds = last.at - first.at;
    const link = last.link - first.link;
    if (milliseconds < SHORTEST_MS || link === 0) return undefined;
    return { milliseconds, link, guest: last.guest - first.guest };
  }
}
