// `SwitchoverPace`: limits the rate at which bytes are taken from a hypervisor that stops its guest by its own bandwidth estimate.
// QEMU stops the guest when the pages left fit its downtime-limit at the rate of the last 100 ms, and that rate is the one before
// compression: pages that shrink well just before the end let it expect too much of the rest (docs/LIVE.md). Near the end of a round the
// pace takes bytes hardly faster than the transfer carried them in recent stretches. Until then it limits nothing.
//
// The pace delays reads and changes no bytes. A delay ends after LONGEST_WAIT_MS at most, and none begins in the final section.

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
 * while more is taken than is carried, the rest may take longer than the limit. Total time and median downtime in the model of QEMU
 * at 100 Mbit/s, two guests: 1 gives + 1.9 and 2.6 %, 180 ms; 1.4 + 1.0 and 1.6 %, 220 and 250 ms; 2 + 0.3 and 1.0 %, 340 ms.
 */
const ALLOWANCE = 1.4;
/** The pipeline is measured over intervals of this length. */
const INTERVAL_MS = 100;
/** Intervals in which the input was waited for longer than this share measure the input, and not the pipeline. */
const LARGEST_INPUT_SHARE = 0.3;
/** The worst stretch is looked for among so many intervals. */
const RECENT_INTERVALS = 20;
/** Intervals of a later round before it is judged by itself: its pages often shrink in another way than those of the first. */
const LEAST_INTERVALS = 3;
/** Tokens that may add up, in time: a larger piece would show in an average of 100 ms. */
const BURST_MS = 5;
/** The least piece of a paced read. */
const LEAST_PIECE_BYTES = 32 * KIB;
const LONGEST_WAIT_MS = 20;
/**
 * Downtime-limits for which reads are held back, in sum, without a new measurement. Then what was measured is forgotten: on a host that
 * was overloaded for a moment it may be a hundredth of what the pipeline carries, and a held-back input is not measured anew.
 */
const OUTDATED_LIMITS = 5;

/** What the stream says of the current round. */
export interface RoundPosition {
  /** Rounds that have begun. */
  readonly round: number;
  /** Bytes of guest memory that the round has not sent yet; undefined where that is unknown. */
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
  readonly position: () => RoundPosition;
  /** Milliseconds on a monotonic clock. */
  readonly now?: (() => number) | undefined;
  readonly wait?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

export class SwitchoverPace {
  readonly #limit: number;
  readonly #position: () => RoundPosition;
  readonly #now: () => number;
  readonly #wait: (milliseconds: number) => Promise<unknown>;
  /** The current interval. */
  #from: number | undefined;
  #bytes = 0;
  #inputMs = 0;
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

  constructor({ downtimeLimit, position, now, wait }: SwitchoverPaceOptions) {
    this.#limit = downtimeLimit;
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
    const milliseconds = now - this.#from;
    if (milliseconds < INTERVAL_MS) return;
    const waited = this.#inputMs + (this.#waitsSince === undefined ? 0 : now - this.#waitsSince);
    if (waited < milliseconds * LARGEST_INPUT_SHARE) this.#learn({ bytes: this.#bytes, milliseconds });
    this.#from = now;
    this.#bytes = this.#inputMs = 0;
    if (this.#waitsSince !== undefined) this.#waitsSince = now;
  }

  /** Bytes per millisecond that may be taken now; Infinity = no limit. */
  get rate(): number {
    const { left, final } = this.#position();
    const carried = this.carried;
    if (final || left === undefined || carried === undefined) return Infinity;
    return Math.max(carried * ALLOWANCE, (left * LOOK_AHEAD_SHARE) / this.#limit);
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

  #learn(interval: Interval): void {
    this.#heldSinceMs = 0;
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
      this.#heldSinceMs += held;
      if (this.#heldSinceMs > OUTDATED_LIMITS * this.#limit) this.#forget();
    }
  }

  /** Limits nothing until the pipeline was measured again. */
  #forget(): void {
    this.#recent = [];
    this.#allBytes = this.#allMs = this.#heldSinceMs = 0;
  }
}
