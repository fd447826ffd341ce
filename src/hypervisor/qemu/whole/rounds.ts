// The rounds of QEMU's pre-copy as its monitor shows them, and the moment at which an impatient migration should switch over: the start
// of a round that has as little left as the best one before (KubeVirt's VEP 248). Pure: the caller samples.

/** A round of pre-copy as QEMU reports it. */
export interface QemuRound {
  /** QEMU's dirty-sync-count; 1 is the round that sends all of RAM. */
  readonly round: number;
  /** Bytes left to send at its start. */
  readonly remaining: number;
  /** Milliseconds of downtime-limit that QEMU was told. */
  readonly downtimeLimit: number;
}

/** One look at query-migrate. */
export interface RoundSample {
  /** `dirty-sync-count`: QEMU has looked for dirtied pages so often. */
  readonly round: number;
  /** Bytes left to send, of the pages that are known to be dirty. */
  readonly remaining: number;
}

/** A start counts as equal to the best one when it exceeds it by less than this share (VEP 248: stallMargin). */
const MARGIN = 0.04;

export class Rounds {
  /** What was left at the start of each round but the first, which sends all of RAM. */
  readonly #starts: number[] = [];
  #round = 0;
  /** Starts up to the current target, in rising order; undefined: nothing is to be switched yet. */
  #targets: number[] | undefined;

  /** @returns the sample, if it is the first one of a round */
  observe(sample: RoundSample): RoundSample | undefined {
    if (sample.round <= this.#round) return undefined;
    this.#round = sample.round;
    if (sample.round > 1) this.#starts.push(sample.remaining);
    return sample;
  }

  get count(): number {
    return this.#round;
  }

  /**
   * Whether a round that just began is the moment to switch. The first call sets the target: the best start so far. Each round that
   * misses it relaxes the target to the next best start. Without any start before, the next one is taken.
   */
  isMinimum(): boolean {
    const latest = this.#starts.at(-1);
    if (this.#targets === undefined) {
      this.#targets = [...this.#starts].sort((one, other) => one - other);
      return false;
    }
    if (latest === undefined) return false;
    const target = this.#targets.shift();
    return target === undefined || latest <= target * (1 + MARGIN);
  }
}
