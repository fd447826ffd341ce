// What the link can carry, seen from its back-pressure. Fed with every write; pure, time is given. It measures a rate only while
// the link limits. While it does not, the rate is estimated at a few times what was seen, so that the next choice finds
// out. A receiver that cannot keep up looks like a slow link, unless the receiver reports its waiting (OtherSide).

import { DrainMeter } from './drain-meter.js';
import type { LearnedLink } from '../history/prior.js';
import { type EstimatedLink, isMeasured, type LinkState, type MeasuredLink } from './link-state.js';
import { type Policy, POLICY } from '../policy.js';
import { RaiseDelay } from './raise-delay.js';
import { SlowdownDetector } from './slowdown-detector.js';
import { CarriedRates } from './carried-rates.js';
import { Throughput } from './throughput.js';
import type { WriteFigures } from './write-figures.js';

/** What is known of the receiver. */
export interface OtherSide {
  /** Whether the link, and not the receiver, can have been busy for this share of the interval. */
  allows(share: number): boolean;
  /** Share of the time in which the receiver had nothing to do; undefined where it does not report. */
  readonly waited: number | undefined;
}

/** A receiver that does not report. */
const UNKNOWN: OtherSide = { allows: () => true, waited: undefined };

/** What an interval of writes said. */
export interface LinkInterval {
  /** Share of the time in which the link was busy. */
  readonly share: number;
  /** The same as the sender sees it, even if the receiver kept the link waiting. */
  readonly waited: number;
}

/** One interval, measured. */
interface Measurement {
  readonly now: number;
  readonly elapsed: number;
  readonly share: number;
  /** Bytes per second that were written. */
  readonly wire: number;
  /** Bytes per second that drained without a rest; undefined where the link had one. */
  readonly drained: number | undefined;
  readonly other: OtherSide;
}

export class LinkGauge {
  readonly #policy: Policy['link'];
  #state: LinkState;
  #started: number | undefined;
  #bytes = 0;
  /** Bytes that drained while the link was busy, and for how long that was. */
  #drained = 0;
  #busy = 0;
  readonly #delay: RaiseDelay;
  /** Bytes since a write waited. */
  #freeBytes = 0;
  #lastEnd = 0;
  #lastQueued = 0;
  readonly #throughput: Throughput;
  readonly #drains: DrainMeter;
  readonly #slowdown: SlowdownDetector;
  readonly #carriedRates = new CarriedRates();
  /** Of the interval that ends now: endInterval(). */
  #probe: boolean | undefined;
  #wantsProbe = false;

  /** @param given where the link is known beforehand */
  constructor(given?: LearnedLink, policy: Policy = POLICY) {
    this.#policy = policy.link;
    this.#delay = new RaiseDelay(policy);
    this.#throughput = new Throughput(policy);
    this.#drains = new DrainMeter(policy);
    this.#slowdown = new SlowdownDetector(policy);
    this.#state = stateOf(given);
  }

  get state(): LinkState['name'] {
    return this.#state.name;
  }

  /** Whether anything is known: until then a choice would be a guess. */
  get known(): boolean {
    return this.#state.name !== 'unknown';
  }

  /** Estimated bytes per second of the link; Infinity before anything is known. */
  get rate(): number {
    return this.#state.name === 'unknown' ? Infinity : this.#state.rate;
  }

  /** Whether the rate was measured rather than estimated. */
  get measured(): boolean {
    return isMeasured(this.#state);
  }

  /** Whether the link may carry more than is known, and chunks without compression would tell. */
  get wantsProbe(): boolean {
    return this.#wantsProbe;
  }

  /** What the link carried, for later transfers; undefined where this transfer has found out nothing. */
  get learned(): LearnedLink | undefined {
    const rate = this.#carriedRates.typical;
    if (rate !== undefined) return { rate, limited: true };
    // An estimate that was raised because the link kept up.
    return this.#state.name === 'raising' ? { rate: this.#state.rate, limited: false } : undefined;
  }

  recordWrite(write: WriteFigures): void {
    const { bytes, began, ended, queued } = write;
    const { waitMs, waitQueueShare, queueBytes } = this.#policy;
    this.#drains.recordWrite(write);
    this.#started ??= began;
    this.#bytes += bytes;
    const waited = ended - began;
    const left = queued ?? 0;
    const limited =
      waited > waitMs && (queued === undefined || left >= Math.min(bytes * waitQueueShare, queueBytes));
    if (limited) this.#addBusy(bytes, began, waited, left);
    else this.#slowdown.reset();
    this.#throughput.recordWrite(bytes, ended, queued);
    this.#lastEnd = ended;
    this.#lastQueued = left;
    this.#freeBytes = limited ? 0 : this.#freeBytes + bytes;
  }

  #addBusy(bytes: number, began: number, waited: number, left: number): void {
    // While something was left from the write before, the link was not idle in between either.
    const gap = began - this.#lastEnd;
    const emptied = this.known ? (gap / 1e3) * this.rate > this.#lastQueued : gap > waited;
    const busyGap = this.#lastQueued > 0 && !emptied;
    const busy = waited + (busyGap ? gap : 0);
    const drained = bytes - left + (busyGap ? this.#lastQueued : 0);
    this.#busy += busy;
    this.#drained += drained;
    this.#slowdown.recordWait(drained, busy, this.rate);
  }

  /**
   * Ends an interval: takes up what it said.
   * @param probe whether the interval held a probe; undefined where none can be made
   */
  endInterval(now: number, other: OtherSide = UNKNOWN, probe?: boolean): LinkInterval {
    this.#probe = probe;
    this.#wantsProbe = false;
    const elapsed = Math.max(1e-3, now - (this.#started ?? now));
    const waited = Math.min(1, this.#busy / elapsed);
    const share = other.allows(waited) ? waited : 0;
    if (share === 0) this.#freeBytes = Math.max(this.#freeBytes, this.#bytes);
    this.#throughput.endInterval(now, elapsed);
    this.#state = this.#next({
      ...{ now, elapsed, share, other },
      wire: (this.#bytes / elapsed) * 1e3,
      drained: this.#drains.endInterval(
        now,
        (other.waited ?? 1) >= this.#policy.receiverWaitShare,
        probe === true,
      ),
    });
    this.#started = now;
    this.#bytes = this.#drained = this.#busy = 0;
    this.#throughput.begin();
    return { share, waited };
  }

  /** The state after an interval. */
  #next(interval: Measurement): LinkState {
    const { share, wire, drained } = interval;
    const { leastWaitMs, leastWaitShare, freeShare, changeShare, drainedShare, probeWaitMs } = this.#policy;
    const limited =
      this.#probe === true ? this.#busy >= probeWaitMs : this.#busy >= leastWaitMs && share >= leastWaitShare;
    if (limited && share > 0 && this.#drained > 0) return this.#limited(interval);
    // No write waited, but the link had hardly a rest. A link that has become slow would make a write wait.
    if (drained !== undefined && Math.max(wire, this.#throughput.fastest) < (1 + changeShare) * drained)
      return { name: 'limiting', ...this.#measure(drained, drainedShare) };
    const state = withoutTimers(this.#state);
    if (share >= freeShare) return state;
    return isMeasured(state) ? this.#measuredKeepsUp(state, interval) : this.#estimatedKeepsUp(state, wire);
  }

  /** The link limited. A link that was not measured must do so for a while: starting threads look alike. */
  #limited({ now, elapsed, share, drained, other }: Measurement): LinkState {
    const state = this.#state;
    if (!isMeasured(state) && this.#probe !== true) {
      const limitingSince = state.limitingSince ?? now - elapsed;
      if (now - limitingSince < this.#policy.confirmMs) return { ...state, limitingSince };
    }
    const slow = this.#slowdown.rate;
    const { bothWaitShare } = this.#policy;
    if (slow !== undefined && share >= bothWaitShare && (other.waited ?? 0) >= bothWaitShare) {
      this.#drains.forget();
      this.#throughput.forget();
      return { name: 'slowed', ...this.#measure(slow, share) };
    }
    return { name: 'limiting', ...this.#measure(drained ?? this.#carried(), share) };
  }

  /**
   * Bytes per second of an interval in which the link limited, where the drain meter has no better figure: the first bytes after a
   * rest leave faster than the link goes on, because buckets and buffers have room again.
   */
  #carried(): number {
    // Where both sides have much to do they pause by turns, and the link looks slow meanwhile. It carries no less than
    // what has just passed.
    return Math.max((this.#drained / this.#busy) * 1e3, this.#throughput.recent);
  }

  /** Takes up a measured rate. */
  #measure(seen: number, share: number): { rate: number; jumped: boolean } {
    this.#carriedRates.record(seen, this.#bytes);
    const { changeShare, changeWaitShare, jumpFactor, smoothing } = this.#policy;
    const state = this.#state;
    if (!isMeasured(state)) {
      this.#delay.judgeRaise(state.name === 'raising' ? state.raisedFrom : 0, seen);
      return { rate: seen, jumped: false };
    }
    const { rate } = state;
    if (this.#probe === true) this.#delay.judgeProbe(rate, seen);
    const jumped = seen > jumpFactor * rate;
    const decisive = this.#probe === true || share > changeWaitShare;
    if (Math.abs(seen / rate - 1) > changeShare && decisive) return { rate: seen, jumped };
    // Other causes than the link, such as a processor that was taken away, make an interval look slower, never faster.
    const weight = seen > rate ? smoothing : smoothing * share ** 2;
    return { rate: rate + weight * (seen - rate), jumped };
  }

  /** A measured link did not limit: raises the estimate when that has lasted. */
  #measuredKeepsUp(state: MeasuredLink, { now, elapsed, wire }: Measurement): LinkState {
    const loaded = state.jumped || this.#isLoaded(state, wire, now);
    // A link that was not loaded shows nothing, but a probe loads it.
    if (!loaded && this.#probe === undefined) return state;
    const before = this.#state;
    const since = before.name === 'free' ? before.since : now - elapsed;
    const enough = this.#freeBytes >= this.#policy.raiseBytes;
    const delay = loaded ? this.#delay.loaded(state, wire) : this.#delay.unloaded;
    if (!enough || (this.#probe !== true && now - since < delay))
      return { name: 'free', rate: state.rate, jumped: state.jumped, since };
    if (this.#probe === false) {
      this.#wantsProbe = true;
      return { name: 'free', rate: state.rate, jumped: state.jumped, since };
    }
    // Where the receiver was busy, too, a probe may pass unnoticed: it counts if more than the known rate has passed.
    if (this.#probe === true && this.#throughput.fastest < (1 + this.#policy.changeShare) * state.rate)
      return state;
    this.#drains.forget();
    const rate = this.#raised(state.rate, wire, this.#policy.raiseMeasuredFactor);
    return { name: 'raising', rate, raisedFrom: state.rate };
  }

  /** A link that was never measured, or no longer counts as measured, did not limit. */
  #estimatedKeepsUp(state: EstimatedLink, wire: number): LinkState {
    if (state.name === 'unknown' && this.#probe === false) {
      this.#wantsProbe = true;
      return state;
    }
    if (this.#freeBytes < this.#policy.raiseBytes) return state;
    const [rate, raisedFrom] = state.name === 'raising' ? [state.rate, state.raisedFrom] : [0, 0];
    return { name: 'raising', rate: this.#raised(rate, wire, this.#policy.raiseFactor), raisedFrom };
  }

  #raised(rate: number, wire: number, factor: number): number {
    return Math.max(rate, Math.max(wire, this.#throughput.fastest) * factor);
  }

  /** Whether so much passes that a link which carried no more than was measured would limit. */
  #isLoaded({ rate }: MeasuredLink, wire: number, now: number): boolean {
    const { saturatedMs, changeShare, minUtilisation } = this.#policy;
    const saturated = now - this.#drains.lastSaturated < saturatedMs;
    return wire >= (saturated ? 1 + changeShare : minUtilisation) * rate;
  }
}

function stateOf(given: LearnedLink | undefined): LinkState {
  if (given === undefined) return { name: 'unknown' };
  const { rate, limited } = given;
  return limited ? { name: 'limiting', rate, jumped: false } : { name: 'raising', rate, raisedFrom: 0 };
}

/** The same state when the link neither limited nor was free: what had to last for a while has ended. */
function withoutTimers(state: LinkState): LinkState {
  switch (state.name) {
    case 'unknown':
      return { name: 'unknown' };
    case 'raising':
      return { name: 'raising', rate: state.rate, raisedFrom: state.raisedFrom };
    case 'free':
      return { name: 'limiting', rate: state.rate, jumped: state.jumped };
    default:
      return state;
  }
}
