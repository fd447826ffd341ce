// What the link can carry, seen from its back-pressure. Fed with every write; pure, time is given.
// It tells a rate only when the link limited; when it did not, the rate is believed to be a few times what was seen, so
// that the next choice finds out. What the other side cannot take looks like a link that cannot, unless that side says so.

import { DrainMeter } from './drain-meter.js';
import { SlowdownDetector } from './slowdown-detector.js';
import type { WriteFigures } from './write-figures.js';

/** What is known of the other side. */
export interface OtherSide {
  /** Whether it can have been the link that had something left to do for this share of the window. */
  allows(share: number): boolean;
  /** Share of the time for which it had nothing to do; undefined where it does not say. */
  readonly waited: number | undefined;
}

/** Nothing. */
const UNKNOWN: OtherSide = { allows: () => true, waited: undefined };

/** A write that took less was not kept waiting. */
const WAIT_MS = 0.5;
/** A link that limits has at least so much left to do when it takes the last byte of a write. */
const QUEUE_BYTES = 48 * 1024;
/** Less waiting than this in a window says nothing about the rate. */
const LEAST_WAIT_MS = 10;
const LEAST_SHARE = 0.1;
/** Below this share of waiting the link does not limit. */
const FREE_SHARE = 0.05;
/** A rate this far from what was believed is news, not noise. */
const NEWS = 0.25;
/** A rate that is so many times what was believed belongs to a window in which the link has changed, if the next one is free. */
const LEAP = 2;
/** How much more than what was seen a link that does not limit is believed to carry. */
const GROWTH = 4;
/** The same of one that was measured and has become faster since: by how much, nobody knows. */
const OUTGROWN = 8;
/** What was seen is the fastest of so many bytes: of zero pages little leaves, and the time they take says nothing of the link. */
const RUN_BYTES = 1_048_576;
/** A link that does not limit at less than this share of its believed rate was not asked. */
const ASKED = 0.95;
/** For so long it must limit before that is believed of a link that did not: threads that start look like it, too. */
const CONFIRMED_MS = 70;
/** For so long it must not limit before it is believed to carry more than it did, */
const FREE_MS = 120;
/** for less where more passes than it could carry, */
const FASTER_MS = 50;
/** and for so many times as long, again and again, when that belief was wrong: just below its rate a link does not limit either. */
const DOUBT = 8;
const LONGEST_FREE_MS = 60_000;

/** And so many bytes must leave meanwhile: the buffers on the way take the first ones of any link. */
const FREE_BYTES = 1_048_576;

/** Share of a window's rate that is taken up, when the link was the limit throughout. */
const SMOOTHING = 0.4;
/** What the link carried so long ago it can still carry: pauses of either side are shorter. Milliseconds. */
const REMEMBERED_MS = 400;
/** Where both sides waited for so much of the time, it was no pause of either: the link is slow now. */
const IDLE_SHARE = 0.9;
/** A link that had no rest so long ago is as full as it was, if no more passes now. Milliseconds. */
const FULL_MS = 500;
/** A reader behind the link that has less time to spare than this may be what empties the buffer no faster. */
const READER_SHARE = 0.5;

/** What a window of writes said. */
export interface LinkInterval {
  /** Share of the time in which the link had something left to do. */
  readonly share: number;
  /** The same as it looks from here, be it the receiver that kept the link waiting. */
  readonly waited: number;
}

export class LinkGauge {
  #rate: number | undefined;
  #measured: boolean;
  /** The last window was the first one at a rate far above the one before. */
  #leapt = false;
  #windowStart: number | undefined;
  #bytes = 0;
  #drained = 0;
  #busy = 0;
  /** Bytes per second of the fastest RUN_BYTES of this window; since when and how many of the next ones have left. */
  #fastest = 0;
  #runStart: number | undefined;
  #runBytes = 0;
  #freeSince: number | undefined;
  #freeNeeded = FREE_MS;
  /** What it carried when it was last believed to carry more. */
  #outgrown = 0;
  #limitedSince: number | undefined;
  /** Bytes since a write had to wait. */
  #freeBytes = 0;
  #lastEnd = 0;
  #lastQueued = 0;
  readonly #drains = new DrainMeter();
  readonly #slump = new SlowdownDetector();
  /** What the kernel held when the window began. */
  #queuedBefore = 0;
  /** Bytes per second that passed, of each window that is remembered, and when it ended. */
  #passed: { readonly rate: number; readonly at: number }[] = [];

  /** @param given bytes per second, where it is known beforehand that the link carries no more */
  constructor(given?: number) {
    this.#rate = given;
    this.#measured = given !== undefined;
  }

  /** Whether anything is known: until then a choice would be a guess. */
  get known(): boolean {
    return this.#rate !== undefined;
  }

  /** Bytes per second that the link is believed to carry; Infinity before anything is known. */
  get rate(): number {
    return this.#rate ?? Infinity;
  }

  /** Whether it was measured rather than believed. */
  get measured(): boolean {
    return this.#measured;
  }

  wrote(write: WriteFigures): void {
    const { bytes, began, ended, queued } = write;
    this.#drains.wrote(write);
    this.#windowStart ??= began;
    this.#bytes += bytes;
    const waited = ended - began;
    const left = queued ?? 0;
    const limited = waited > WAIT_MS && (queued === undefined || left >= Math.min(bytes / 2, QUEUE_BYTES));
    if (limited) {
      // While something was left from the write before, the link has not been idle in between either.
      const gap = began - this.#lastEnd;
      const emptied = this.#rate === undefined ? gap > waited : (gap / 1e3) * this.#rate > this.#lastQueued;
      const busyGap = this.#lastQueued > 0 && !emptied;
      const busy = waited + (busyGap ? gap : 0);
      const drained = bytes - left + (busyGap ? this.#lastQueued : 0);
      this.#busy += busy;
      this.#drained += drained;
      this.#slump.waited(drained, busy, this.rate);
    } else {
      this.#slump.end();
    }
    this.#run(bytes, ended, queued);
    this.#lastEnd = ended;
    this.#lastQueued = left;
    this.#freeBytes = limited ? 0 : this.#freeBytes + bytes;
  }

  /** What has left the kernel, too: its buffers take bytes as fast as they come. */
  #run(bytes: number, ended: number, queued: number | undefined): void {
    if (queued === undefined) return;
    if (this.#runStart === undefined) {
      this.#runStart = ended;
      return;
    }
    this.#runBytes += bytes + this.#lastQueued - queued;
    if (this.#runBytes < RUN_BYTES) return;
    this.#fastest = Math.max(this.#fastest, (this.#runBytes / (ended - this.#runStart)) * 1e3);
    this.#runStart = ended;
    this.#runBytes = 0;
  }

  /** Ends a window: takes up what it said. */
  look(now: number, other: OtherSide = UNKNOWN): LinkInterval {
    const elapsed = Math.max(1e-3, now - (this.#windowStart ?? now));
    const waited = Math.min(1, this.#busy / elapsed);
    const share = other.allows(waited) ? waited : 0;
    if (share === 0) this.#freeBytes = Math.max(this.#freeBytes, this.#bytes);
    const wire = (this.#bytes / elapsed) * 1e3;
    const passed = ((this.#bytes + this.#queuedBefore - this.#lastQueued) / elapsed) * 1e3;
    this.#passed = this.#passed.filter(({ at }) => now - at < REMEMBERED_MS);
    this.#passed.push({ rate: passed, at: now });
    const drained = this.#drains.look(now, (other.waited ?? 1) >= READER_SHARE);
    if (this.#busy >= LEAST_WAIT_MS && share >= LEAST_SHARE && this.#drained > 0) {
      this.#limitedSince ??= now - elapsed;
      if (this.#measured || now - this.#limitedSince >= CONFIRMED_MS) {
        this.#limits(this.#carried(share, other, drained), share);
      }
      this.#freeSince = undefined;
    } else if (drained !== undefined && Math.max(wire, this.#fastest) < (1 + NEWS) * drained) {
      // Nobody waited, but it had hardly a rest. One that has become slow would make somebody wait.
      this.#limits(drained, 0.5);
      this.#freeSince = this.#limitedSince = undefined;
    } else if (share < FREE_SHARE) {
      this.#limitedSince = undefined;
      this.#keepsUp(wire, now, elapsed);
    } else {
      this.#freeSince = this.#limitedSince = undefined;
    }
    this.#windowStart = now;
    this.#queuedBefore = this.#lastQueued;
    this.#bytes = this.#drained = this.#busy = this.#fastest = 0;
    return { share, waited };
  }

  /** Bytes per second in a window in which the link limited. */
  #carried(share: number, other: OtherSide, drained: number | undefined): number {
    const slow = this.#slump.rate;
    if (slow !== undefined && share >= IDLE_SHARE && (other.waited ?? 0) >= IDLE_SHARE) {
      this.#drains.forget();
      this.#passed = [];
      return slow;
    }
    // The first bytes after a rest leave faster than the link goes on: buckets and buffers have room again.
    if (drained !== undefined) return drained;
    const seen = (this.#drained / this.#busy) * 1e3;
    // Where both sides have much to do they pause by turns, and the link looks slow meanwhile: it carries no less than
    // what has just passed.
    return Math.max(seen, ...this.#passed.map(({ rate }) => rate));
  }

  #limits(seen: number, share: number): void {
    this.#leapt = this.#measured && seen > LEAP * this.#rate!;
    const news = this.#rate === undefined || Math.abs(seen / this.#rate - 1) > NEWS;
    // What slows a window down besides the link, a processor that somebody else had, only makes it look slower.
    const weight = seen > (this.#rate ?? 0) ? SMOOTHING : SMOOTHING * share ** 2;
    this.#rate =
      !this.#measured || (news && share > 0.5) ? seen : this.#rate! + weight * (seen - this.#rate!);
    if (!this.#measured) this.#judge(seen);
    this.#measured = true;
  }

  /** It limits again: was it right to believe that it carries more? */
  #judge(seen: number): void {
    const wrong = Math.abs(seen / this.#outgrown - 1) < NEWS;
    this.#freeNeeded = wrong ? Math.min(LONGEST_FREE_MS, this.#freeNeeded * DOUBT) : FREE_MS;
  }

  /** Milliseconds for which nothing must wait before the link is believed to carry more than was measured. */
  #needed(wire: number): number {
    // Part of what was measured was still the slow link: it carries more, and nobody knows how much.
    if (this.#leapt && this.#freeNeeded === FREE_MS) return 0;
    return wire > (1 + NEWS) * this.#rate! ? FASTER_MS : this.#freeNeeded;
  }

  /** Whether so much passes that a link which carried no more than was measured would have to limit. */
  #asked(wire: number, now: number): boolean {
    const full = now - this.#drains.seen < FULL_MS;
    return wire >= (full ? 1 + NEWS : ASKED) * this.#rate!;
  }

  #keepsUp(wire: number, now: number, elapsed: number): void {
    if (this.#measured && !this.#leapt && !this.#asked(wire, now)) {
      this.#freeSince = undefined;
      return;
    }
    this.#freeSince ??= now - elapsed;
    if (this.#freeBytes < FREE_BYTES) return;
    let growth = GROWTH;
    if (this.#measured) {
      if (now - this.#freeSince < this.#needed(wire)) return;
      this.#outgrown = this.#rate!;
      growth = OUTGROWN;
      this.#drains.forget();
    }
    this.#measured = this.#leapt = false;
    this.#rate = Math.max(this.#rate ?? 0, Math.max(wire, this.#fastest) * growth);
  }
}
