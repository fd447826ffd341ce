// QEMU's downtime-limit, corrected by the measured compression. QEMU stops the guest when what is left fits the limit at its estimate of
// the bandwidth. By itself it estimates the rate of its last 100 ms: the rate before compression, into buffers that may be empty. So
// the guest would stand still for longer than the limit where those pages shrank better than the rest will, or where ramferry still has
// bytes to deliver. Pure: the caller measures and sets.

import type { Progress } from '../../../transfer/statistics/summary.js';

/**
 * The least limit in milliseconds, and the first one. Never 0: while it is, QEMU does not look for dirtied pages at the end of a round. It
 * stops the guest, and only then finds all that the guest has written in this round (`!pending_size` in migration_iteration_run).
 */
export const LEAST_LIMIT_MS = 1;
/** Milliseconds over which the link's rate and the recent ratio are measured. */
const RECENT_MS = 1000;
/** The least span that tells anything. */
const SHORTEST_MS = 200;
/** The least bytes on the link that tell a ratio: the first ones are greetings, and short rounds have hardly any. */
const LEAST_RATIO_BYTES = 65_536;
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
/** The link is believed to carry what it carried in the best second of this span. */
const CAPACITY_MS = 5000;

/** The engine's account of the transfer. */
export type Carried = Pick<Progress, 'guestBytes' | 'linkBytes' | 'deliveredBytes'>;

/** What QEMU says of its migration. */
export interface QemuRate {
  /** Its estimate, bytes per second; undefined where QEMU takes `bandwidth` instead. */
  readonly rate: number | undefined;
  /** Bytes that it has written. */
  readonly written: number;
  readonly round: number;
}

/** What QEMU is to be told. */
export interface ToldLimit {
  /** Milliseconds, at least {@link LEAST_LIMIT_MS}. */
  readonly limit: number;
  /** Guest bytes that the link carries in a second: QEMU's avail-switchover-bandwidth. */
  readonly bandwidth: number;
}

export class DowntimeLimit {
  readonly #wanted: number;
  readonly #marks: Mark[];
  readonly #estimates = new Highest(PEAK_MS);
  readonly #linkRates = new Highest(CAPACITY_MS);
  #told: ToldLimit = { limit: LEAST_LIMIT_MS, bandwidth: 0 };
  /** Guest bytes for each byte on the link, in the worst second of this round so far. */
  #worst = Infinity;
  #round = 0;

  /** @param wanted milliseconds that the guest may stand still. @param now when the migration begins, in milliseconds */
  constructor(wanted: number, now: number) {
    this.#wanted = wanted;
    this.#marks = [{ at: now, guest: 0, link: 0 }];
  }

  /**
   * @param progress the engine's account at the same moment
   * @returns what to tell QEMU; undefined: what it was told still fits
   */
  next({ rate, written, round }: QemuRate, progress: Carried, now: number): ToldLimit | undefined {
    const { guestBytes, linkBytes, deliveredBytes = guestBytes } = progress;
    this.#marks.push({ at: now, guest: guestBytes, link: linkBytes });
    while (this.#marks.length > 2 && this.#marks[1]!.at <= now - RECENT_MS) this.#marks.shift();
    const estimate = rate === undefined ? undefined : this.#estimates.add(rate / 1000, now);
    const recent = this.#recent();
    if (recent === undefined) return undefined;
    // Another round sends other pages.
    if (round > this.#round) this.#worst = Infinity;
    this.#round = round;
    if (recent.link >= LEAST_RATIO_BYTES) this.#worst = Math.min(this.#worst, recent.guest / recent.link);
    // In short rounds QEMU often looks for dirtied pages and writes little: then the link carries less than it could.
    const link = this.#linkRates.add(recent.link / recent.milliseconds, now);
    /** Guest bytes in a millisecond. */
    const carried = link * Math.min(this.#worst, guestBytes / linkBytes);
    if (estimate === 0) return undefined;
    const waiting = Math.max(0, written - deliveredBytes);
    const fits = (carried * this.#wanted - waiting) / (estimate ?? carried);
    const limit = Math.max(LEAST_LIMIT_MS, Math.round(Math.min(this.#wanted, fits)));
    const bandwidth = Math.max(1, Math.round(carried * 1000));
    const told = this.#told;
    const isNews =
      differs(limit, told.limit) || (estimate === undefined && differs(bandwidth, told.bandwidth));
    return isNews ? (this.#told = { limit, bandwidth }) : undefined;
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

/** The highest figure of the last time. */
class Highest {
  readonly #span: number;
  readonly #figures: { readonly at: number; readonly value: number }[] = [];

  /** @param span milliseconds */
  constructor(span: number) {
    this.#span = span;
  }

  add(value: number, now: number): number {
    this.#figures.push({ at: now, value });
    while (this.#figures[0]!.at < now - this.#span) this.#figures.shift();
    return Math.max(...this.#figures.map((figure) => figure.value));
  }
}

function differs(value: number, told: number): boolean {
  return value !== told && Math.abs(value - told) >= told * WORTHWHILE;
}
