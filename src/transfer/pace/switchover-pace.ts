// `SwitchoverPace`: limits the rate at which bytes are taken from a hypervisor that stops its guest by its own bandwidth estimate.
// QEMU stops the guest when the pages left fit its downtime-limit at the rate of the last 100 ms, and that rate is the one before
// compression: pages that shrink well just before the end let it expect too much of the rest (docs/LIVE.md). Near the end of the first round
// and in all later ones the pace takes bytes hardly faster than the transfer carried them in recent stretches. Before, it limits nothing.
//
// The pace delays reads and changes no bytes. A delay is bounded, and none begins in the final section.

import { setTimeout as sleep } from 'node:timers/promises';

import type { ByteSource } from '../../io/bytes.js';
import { KIB } from '../../units.js';

/**
 * QEMU averages over 100 ms and looks at the result one interval later, when less is left. So the rate must fit what will be left then;
 * while the rest shrinks exponentially that takes 0.70 of the rest over the limit. The
 * difference is a margin for bursts.
 */
const LOOK_AHEAD_SHARE = 0.67;
/** Weight of the worst recent stretch; the rest is that of the mean. The worst alone would leave the link idle too often. */
const WORST_WEIGHT = 0.5;
/**
 * So many times the carried rate may be taken. The link is idle while less is taken than it could carry, and that lengthens the transfer;
 * while more is taken than is carried, the rest may take longer than the limit. In the model of QEMU at 100 Mbit/s 1.25 in place of 1.4
 * takes 0.5 to 6 % more time, for 4 in place of 11 of 190 downtimes above 1.5 limits.
 */
const ALLOWANCE = 1.4;
/**
 * What the pipeline holds counts as downtime. So it takes no more chunks than it needs to stay busy, where the guest may be stopped at any
 * moment: so many, or what it carries in QUEUE_MS.
 */
const QUEUE_CHUNKS = 2;
const QUEUE_MS = 50;
/** The same in the first round from so many downtime-limits before its end. */
const LAST_STRETCH_LIMITS = 1.5;
/** The pipeline is measured over intervals of this length. */
const INTERVAL_MS = 100;
/** Intervals in which the input was waited for longer than this share measure the input, and not the pipeline. */
const LARGEST_INPUT_SHARE = 0.3;
/**
 * An interval in which the pace held reads back for longer than that share shows the least that the pipeline carries. Where that is more
 * than the mean, older measurements keep this share of their weight.
 */
const OUTDONE_WEIGHT = 0.7;
/** The worst stretch is looked for among so many intervals. */
const RECENT_INTERVALS = 20;
/** Intervals of a later round before it is judged by itself: its pages often shrink in another way than those of the first. */
const LEAST_INTERVALS = 3;
/** Tokens that may add up, in time: a larger piece would show in an average of 100 ms. */
const BURST_MS = 5;
/** The least piece of a paced read. */
const LEAST_PIECE_BYTES = 32 * KIB;
const LONGEST_WAIT_MS = 20;
/** A read waits for a place in the pipeline in steps of this length, and so long at most: the pace never stops a transfer. */
const PLACE_STEP_MS = 2;
const LONGEST_PLACE_MS = 100;
/**
 * Downtime-limits for which an idle pipeline waits for reads that are held back, in sum, without a full measurement. Then the rate is
 * forgotten, and measured anew: on a host that was overloaded for a moment it may be a hundredth of what the pipeline carries.
 */
const OUTDATED_LIMITS = 5;

/** What the stream says of the current round. */
export interface RoundPosition {
  /** Rounds that have begun. */
  readonly round: number;
  /**
   * Bytes of guest memory that the first round has not sent yet; undefined where that is unknown. What a later round will send is
   * known to the hypervisor only.
   */
  readonly left: number | undefined;
  /** The hypervisor has stopped the guest and sends the rest. */
  readonly final: boolean;
}

interface Interval {
  readonly bytes: number;
  readonly milliseconds: number;
}

export interface SwitchoverPaceOptions {
  /** The hypervisor's downtime-limit in milliseconds. */
  readonly downtimeLimit: number;
  /** Most bytes of a chunk. */
  readonly chunkSize: number;
  readonly position: () => RoundPosition;
  /** Milliseconds on a monotonic clock. */
  readonly now?: (() => number) | undefined;
  readonly wait?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

export class SwitchoverPace {
  readonly #limit: number;
  readonly #chunkSize: number;
  readonly #position: () => RoundPosition;
  readonly #now: () => number;
  readonly #wait: (milliseconds: number) => Promise<unknown>;
  /** Bytes taken from the hypervisor that the pipeline has not written. */
  #queued = 0;
  /** The current interval. */
  #from: number | undefined;
  #bytes = 0;
  #inputMs = 0;
  /** Of {@link inputMs}, held back by the rate. */
  #heldMs = 0;
  /** Start of the wait for the input that is under way. */
  #waitsSince: number | undefined;
  #recent: Interval[] = [];
  /** Sums over all intervals of the round, or of all rounds while the round has few. */
  #allBytes = 0;
  #allMs = 0;
  #round = 0;
  #ofRound = 0;
  #tokens = 0;
  #tokensAt: number | undefined;
  #heldBackMs = 0;
  /** Of {@link heldBackMs}, since the last measurement. */
  #heldSinceMs = 0;
  /** What was carried when it was forgotten: it still bounds what waits in the pipeline. */
  #forgotten: number | undefined;

  constructor({ downtimeLimit, chunkSize, position, now, wait }: SwitchoverPaceOptions) {
    this.#limit = downtimeLimit;
    this.#chunkSize = chunkSize;
    this.#position = position;
    this.#now = now ?? (() => performance.now());
    this.#wait = wait ?? sleep;
  }

  /** Milliseconds for which reads were delayed. */
  get heldBackMs(): number {
    return this.#heldBackMs;
  }

  /** Reads like `source.read`, and later or less where the rate is limited. */
  async read(source: Pick<ByteSource, 'read'>, target: Uint8Array): Promise<number> {
    this.#waitsSince = this.#now();
    try {
      const room = await this.#admit(target.length);
      const got = await source.read(room < target.length ? target.subarray(0, room) : target);
      this.#tokens -= got;
      this.#queued += got;
      return got;
    } finally {
      this.#inputMs += this.#now() - this.#waitsSince;
      this.#waitsSince = undefined;
    }
  }

  /** A write has ended. @param bytes decoded bytes in it */
  wrote(bytes: number): void {
    const now = this.#now();
    this.#from ??= now;
    this.#bytes += bytes;
    this.#queued = Math.max(0, this.#queued - bytes);
    const milliseconds = now - this.#from;
    const isHeld = this.#heldMs >= milliseconds * LARGEST_INPUT_SHARE;
    // Single chunks weigh less in a longer interval. What is learned of one that was held back is not to come from their unevenness.
    if (milliseconds < (isHeld ? Math.max(INTERVAL_MS, this.#limit) : INTERVAL_MS)) return;
    const waited = this.#inputMs + (this.#waitsSince === undefined ? 0 : now - this.#waitsSince);
    const interval = { bytes: this.#bytes, milliseconds };
    if (waited < milliseconds * LARGEST_INPUT_SHARE) {
      this.#heldSinceMs = 0;
      this.#learn(interval);
    } else if (isHeld) this.#learnLeast(interval);
    this.#from = now;
    this.#bytes = this.#inputMs = this.#heldMs = 0;
    if (this.#waitsSince !== undefined) this.#waitsSince = now;
  }

  /** Bytes per millisecond that may be taken now; Infinity = no limit. */
  get rate(): number {
    const { round, left, final } = this.#position();
    const carried = this.carried;
    if (final || carried === undefined) return Infinity;
    // A later round may end at any page. At its first ones a pipeline that has run empty would take several megabytes at once, and QEMU,
    // which has just counted what is left, would stop the guest by that rate.
    if (round > 1) return carried * ALLOWANCE;
    return left === undefined
      ? Infinity
      : Math.max(carried * ALLOWANCE, (left * LOOK_AHEAD_SHARE) / this.#limit);
  }

  /** Bytes per millisecond that the pipeline surely carries, from the mean and the worst recent stretch as long as the limit. */
  get carried(): number | undefined {
    if (this.#allMs === 0) return undefined;
    const mean = this.#allBytes / this.#allMs;
    let least = mean;
    for (let from = 0; from < this.#recent.length; from++) {
      let [bytes, milliseconds] = [0, 0];
      for (let to = from; to < this.#recent.length && milliseconds < this.#limit; to++) {
        bytes += this.#recent[to]!.bytes;
        milliseconds += this.#recent[to]!.milliseconds;
      }
      if (milliseconds >= this.#limit) least = Math.min(least, bytes / milliseconds);
    }
    return mean + WORST_WEIGHT * (least - mean);
  }

  /** The pipeline carried this while reads were held back. */
  #learnLeast(interval: Interval): void {
    if (interval.bytes * this.#allMs < this.#allBytes * interval.milliseconds) return;
    this.#allBytes *= OUTDONE_WEIGHT;
    this.#allMs *= OUTDONE_WEIGHT;
    this.#learn(interval);
  }

  #learn(interval: Interval): void {
    const { round } = this.#position();
    if (round !== this.#round) {
      this.#round = round;
      this.#ofRound = 0;
    }
    if (++this.#ofRound === LEAST_INTERVALS && round > 1) {
      this.#recent = this.#recent.slice(1 - LEAST_INTERVALS);
      this.#allBytes = this.#recent.reduce((sum, { bytes }) => sum + bytes, 0);
      this.#allMs = this.#recent.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    }
    this.#recent.push(interval);
    if (this.#recent.length > RECENT_INTERVALS) this.#recent.shift();
    this.#allBytes += interval.bytes;
    this.#allMs += interval.milliseconds;
  }

  /** @returns how many bytes may be read now, 1 to `wanted` */
  async #admit(wanted: number): Promise<number> {
    await this.#place();
    for (;;) {
      const { rate } = this;
      const now = this.#now();
      if (rate === Infinity) {
        this.#tokensAt = undefined;
        return wanted;
      }
      const most = Math.max(rate * BURST_MS, LEAST_PIECE_BYTES);
      if (this.#tokensAt === undefined) this.#tokens = most;
      else this.#tokens = Math.min(most, this.#tokens + rate * (now - this.#tokensAt));
      this.#tokensAt = now;
      const needed = Math.min(wanted, LEAST_PIECE_BYTES);
      if (this.#tokens >= needed) return Math.min(wanted, Math.floor(this.#tokens));
      const delay = Math.min(LONGEST_WAIT_MS, Math.max(1, (needed - this.#tokens) / rate));
      await this.#wait(delay);
      const held = this.#now() - now;
      this.#heldBackMs += held;
      this.#heldMs += held;
      if (this.#queued < this.#chunkSize) this.#heldSinceMs += held;
      if (this.#heldSinceMs > OUTDATED_LIMITS * this.#limit) this.#forget();
    }
  }

  /** Waits until the pipeline has a place for more, where the guest may be stopped at any moment. */
  async #place(): Promise<void> {
    const from = this.#now();
    while (this.#isFull && this.#now() - from < LONGEST_PLACE_MS) await this.#wait(PLACE_STEP_MS);
    const held = this.#now() - from;
    this.#heldBackMs += held;
    // The pipeline is what limits here.
    this.#inputMs -= held;
  }

  get #isFull(): boolean {
    // First, because every read asks, and what is carried takes longer to tell.
    if (this.#queued < QUEUE_CHUNKS * this.#chunkSize) return false;
    const { round, left = Infinity, final } = this.#position();
    const carried = this.carried ?? this.#forgotten;
    if (final || carried === undefined) return false;
    if (round === 1 && left > carried * LAST_STRETCH_LIMITS * this.#limit) return false;
    return this.#queued >= carried * QUEUE_MS;
  }

  /** Limits no rate until the pipeline was measured again. */
  #forget(): void {
    this.#forgotten = this.carried;
    this.#recent = [];
    this.#allBytes = this.#allMs = this.#heldSinceMs = 0;
  }
}
