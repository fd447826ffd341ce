// What each candidate costs and how small it makes this guest's memory, learned while chunks leave. Absolute figures come from
// the chunks that were sent and follow the guest within half a second. How candidates compare comes from trials, where two of
// them coded the same bytes. Candidates that were never tried keep the expected shape, moved along with their neighbours.
// Pure: time is given.

import type { Candidate } from '../candidates.js';
import { Flow, type Stretch } from './flow.js';
import { neverFalling } from './isotonic.js';
import { type Policy, POLICY } from '../policy.js';
import type { Cost, Share } from '../prediction.js';
import type { LearnedCosts, PriorCosts } from '../history/prior.js';

/** A chunk that was sent. */
export interface ChunkFigures {
  readonly candidate: number;
  /** Bytes of the guest's stream. */
  readonly decoded: number;
  /** Bytes that were left for the codec: no zero pages, no duplicates. */
  readonly plain: number;
  /** Bytes of the record on the link. */
  readonly encoded: number;
  /** Microseconds of wall time for which a worker had it, trial included. */
  readonly wall: number;
  /** Microseconds of processor time in the codec, of a measured chunk. */
  readonly codecMicros: number;
  /** The same for the whole job, codec included, trial not. 0: the chunk was not measured. */
  readonly jobMicros: number;
}

/** Two candidates on the same bytes. */
export interface TrialFigures {
  readonly candidate: number;
  readonly against: number;
  /** Microseconds of each. */
  readonly micros: number;
  readonly againstMicros: number;
  /** Bytes of each. */
  readonly length: number;
  readonly againstLength: number;
}

/** What a trial of one candidate says against another: logarithms of ratios. */
interface Comparison {
  readonly candidate: number;
  readonly against: number;
  readonly weight: number;
}

export class Curves {
  readonly #policy: Policy['costs'];
  readonly #prior: PriorCosts | undefined;
  readonly #leastWire: number;
  readonly #largestSurprise: number;
  /** Logarithms of time and size, as multiples of zstd level 1's, as they were learned. */
  readonly #times: number[];
  readonly #sizes: number[];
  /** The multiples, without what is impossible: a higher level is not faster, and not larger. */
  #time: readonly number[];
  #size: readonly number[];
  /** How often each was tried; chunks that were sent do not count. */
  readonly #trials: number[];
  readonly #none: readonly boolean[];
  readonly #chunkSize: number;
  readonly #flow = new Flow();
  #stretch = new Flow();
  #chunks = 0;
  #stretches: Stretch[] = [];
  /** Everything that flowed after the start, for later transfers. */
  readonly #warm = new Flow();
  /** Of the last stretch. */
  #ease = 1;
  #first: number | undefined;
  #last: number | undefined;

  /** @param prior what an earlier transfer has measured; absent = the policy's first guesses */
  constructor(list: readonly Candidate[], chunkSize: number, policy: Policy = POLICY, prior?: PriorCosts) {
    this.#policy = policy.costs;
    this.#prior = prior;
    this.#leastWire = policy.limits.leastWireShare;
    this.#largestSurprise = Math.log(policy.limits.largestTrialFactor);
    this.#chunkSize = chunkSize;
    this.#times = list.map(({ time }) => Math.log(Math.max(time, 1e-6)));
    this.#sizes = list.map(({ size }) => Math.log(size));
    this.#time = this.#times.map(Math.exp);
    this.#size = this.#sizes.map(Math.exp);
    this.#trials = list.map(() => 0);
    this.#none = list.map(({ codec }) => codec === 'none');
    const { firstChunks, firstPlainShare, firstAroundNs, firstCodecNs, firstSize } = policy.costs;
    // Without a prior worth half a chunk: the first chunk that is measured counts twice as much.
    const some = chunkSize * (prior?.chunks ?? firstChunks);
    Object.assign(this.#flow, {
      decoded: some,
      plain: firstPlainShare * some,
      measured: some,
      around: (prior?.aroundNs ?? firstAroundNs) * some,
      time: (prior?.codecNs ?? firstCodecNs) * some,
      timed: some,
      size: (prior?.size ?? firstSize) * some,
      sized: some,
    });
  }

  /** Called for every chunk: sums, and nothing else. */
  recordChunk({ candidate, decoded, plain, encoded, codecMicros, jobMicros }: ChunkFigures): void {
    const flow = this.#stretch;
    this.#chunks++;
    flow.decoded += decoded;
    flow.plain += plain;
    const coded = !this.#none[candidate]! && plain > 0;
    if (coded) {
      flow.size += Math.min(encoded, plain) / this.#size[candidate]!;
      flow.sized += plain;
    }
    if (jobMicros === 0) return;
    flow.measured += decoded;
    flow.around += Math.max(0, jobMicros - codecMicros) * 1e3;
    if (!coded) return;
    flow.time += (codecMicros * 1e3) / this.#time[candidate]!;
    flow.timed += plain;
  }

  /**
   * Ends a stretch.
   * @param ease share of the measured time that the same work would take if processors never had a rest
   */
  endStretch(now: number, ease = 1): void {
    const { followMs, stretchesMs, leastStretches, keptPerChunk, sinceStartShare } = this.#policy;
    this.#ease = ease;
    if (this.#chunks === 0) return;
    this.#stretch.around *= ease;
    this.#first ??= now;
    if (now - this.#first < this.#policy.coldMs) this.#warmUp(this.#stretch);
    const stretch = { flow: this.#stretch, chunks: this.#chunks, at: now };
    this.#stretch = new Flow();
    this.#chunks = 0;
    this.#stretches.push(stretch);
    // At least a few chunks are remembered, however slowly they come.
    const since = now - (this.#last ?? now);
    const longest = (now - this.#first) * sinceStartShare;
    const kept = Math.max(keptPerChunk ** stretch.chunks, Math.exp(-since / Math.min(followMs, longest + 1)));
    this.#flow.fade(kept);
    // Without a codec nothing has been learned of codecs either.
    if (stretch.flow.sized > 0) this.#flow.fadeCodec(kept);
    this.#flow.add(stretch.flow);
    if (now - this.#first >= this.#policy.coldMs) this.#warm.add(stretch.flow);
    this.#last = now;
    const old = this.#stretches.findIndex(({ at }) => now - at <= Math.min(stretchesMs, longest));
    const most = Math.max(0, this.#stretches.length - leastStretches);
    this.#stretches.splice(0, old < 0 ? most : Math.min(old, most));
  }

  /** What is known of this host holds for cold code, too: it is slow for a moment only. */
  #warmUp(stretch: Flow): void {
    if (this.#prior === undefined) return;
    stretch.time = Math.min(stretch.time, stretch.timed * this.#prior.codecNs);
    stretch.around = Math.min(stretch.around, stretch.measured * this.#prior.aroundNs);
  }

  /** What flowed lately, oldest first, with a candidate's costs. Before the first stretch: the expected costs. */
  shares(candidate: number): Share[] {
    if (this.#stretches.length === 0) return [{ bytes: 1, cost: this.cost(candidate) }];
    return this.#stretches.map(({ flow }) => ({ bytes: flow.decoded, cost: this.cost(candidate, flow) }));
  }

  recordTrial({ candidate, against, micros, againstMicros, length, againstLength }: TrialFigures): void {
    // A trial that was asked for before a switch may have met its own kind.
    if (candidate === against) return;
    if (!(micros > 0) || !(againstMicros > 0) || !(length > 0) || !(againstLength > 0)) return;
    const { leastTrialWeight, expectedTrials } = this.#policy;
    const weight = Math.max(leastTrialWeight, 1 / (this.#trials[candidate]! + expectedTrials + 1));
    const comparison = { candidate, against, weight };
    this.#learn(this.#times, comparison, Math.log(micros / againstMicros));
    this.#learn(this.#sizes, comparison, Math.log(length / againstLength));
    this.#trials[candidate]!++;
    const weights = this.#trials.map((count) => count + expectedTrials);
    this.#time = neverFalling(this.#times, weights).map(Math.exp);
    this.#size = neverFalling(
      this.#sizes.map((size) => -size),
      weights,
    ).map((size) => Math.exp(-size));
  }

  /**
   * Records a trial of a chunk that went without a codec: it alone tells what coding costs now. It is weighted as
   * storedTrialWeight chunks, because other figures date from start-up and are too slow.
   */
  recordStoredTrial({ candidate, micros, length }: TrialFigures, plain: number): void {
    if (!(micros > 0) || !(length > 0) || plain === 0) return;
    const { storedTrialWeight, storedTrialsKept } = this.#policy;
    const flow = this.#flow;
    const bytes = storedTrialWeight * plain;
    const most = storedTrialsKept * storedTrialWeight * this.#chunkSize;
    flow.fadeCodec(Math.min(1, most / flow.sized) * (1 - bytes / most));
    const expected = (flow.time / flow.timed) * this.#time[candidate]!;
    const surprise = Math.log((micros * 1e3 * this.#ease) / plain / expected);
    const seen = expected * Math.exp(this.#bounded(surprise));
    flow.time += (seen * bytes) / this.#time[candidate]!;
    flow.timed += bytes;
    flow.size += (storedTrialWeight * length) / this.#size[candidate]!;
    flow.sized += bytes;
  }

  /** What the guest's memory cost in this transfer; undefined where too little of it was coded and measured. */
  get learned(): Pick<LearnedCosts, 'codecNs' | 'size' | 'aroundNs'> | undefined {
    const { measured, around, timed, time, sized, size } = this.#warm;
    const least = this.#policy.leastLearnedChunks * this.#chunkSize;
    if (Math.min(measured, timed, sized) < least) return undefined;
    return { codecNs: time / timed, size: Math.min(1, size / sized), aroundNs: around / measured };
  }

  #learn(curve: number[], { candidate, against, weight }: Comparison, difference: number): void {
    const surprise = difference - (curve[candidate]! - curve[against]!);
    const step = this.#bounded(surprise) * weight;
    for (let other = 0; other < curve.length; other++) {
      if (this.#none[other]! || (other !== candidate && this.#trials[other]! > 0)) continue;
      // From the candidate that is known to the tried one, and as far beyond as the list goes.
      const share = (other - against) / (candidate - against);
      curve[other]! += step * Math.max(0, Math.min(1, share));
    }
  }

  #bounded(surprise: number): number {
    return Math.max(-this.#largestSurprise, Math.min(this.#largestSurprise, surprise));
  }

  /** What a candidate would cost on what flows now, or on one stretch of it. */
  cost(candidate: number, part = this.#flow): Cost {
    const { decoded, plain } = part;
    // Where the part has no measured or no compressed chunk, the figures of everything that flowed stand in.
    const { measured, around } = part.measured > 0 ? part : this.#flow;
    const { time, timed } = part.timed > 0 ? part : this.#flow;
    const { size, sized } = part.sized > 0 ? part : this.#flow;
    const share = plain / decoded;
    const none = this.#none[candidate]!;
    const codec = none ? 0 : (time / timed) * this.#time[candidate]!;
    const left = none ? 1 : Math.min(1, (size / sized) * this.#size[candidate]!);
    return { worker: around / measured + share * codec, wire: Math.max(this.#leastWire, share * left) };
  }

  /** Nanoseconds in the codec for a byte that is left for it. */
  codecTime(candidate: number): number {
    return this.#none[candidate]! ? 0 : (this.#flow.time / this.#flow.timed) * this.#time[candidate]!;
  }
}
