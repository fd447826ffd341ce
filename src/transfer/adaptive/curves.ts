// What each candidate costs and how small it makes this guest's memory, learned while chunks leave.
// Absolute figures come from the chunks that were sent and follow the guest within half a second; how candidates stand
// to each other comes from trials, where two of them coded the same bytes. Candidates that were never tried keep the
// expected shape, moved along with their neighbours. Pure: time is given.

import { type Candidate, FIRST_SIZE, FIRST_TIME } from './candidates.js';
import { neverFalling } from './isotonic.js';
import type { Cost, Share } from './model.js';

/** A chunk that was sent. */
export interface ChunkFigures {
  readonly candidate: number;
  /** Bytes of the guest's stream. */
  readonly decoded: number;
  /** Bytes that were left for the codec: no zero pages, no duplicates. */
  readonly plain: number;
  /** Bytes of the record on the link. */
  readonly encoded: number;
  /** Microseconds on the wall for which a worker had it, trial included. */
  readonly wall: number;
  /** Microseconds of processor time in the codec; of a chunk that was watched. */
  readonly codecMicros: number;
  /** The same for the whole job, codec included, trial not. 0: nobody watched. */
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

/**
 * The memory of what kind of bytes flow now, in milliseconds; and half of the time since the start at the most: in the first
 * moments everything is cold, and costs several times what it costs soon.
 */
const FOLLOW_MS = 400;
/** Stretches of the stream that are older than this, or half of the time, are forgotten one by one; at least LEAST_STRETCHES are kept. */
const STRETCHES_MS = 1_000;
const LEAST_STRETCHES = 4;
/** One tried chunk among many that go without a codec counts as so many, */
const TASTED = 4;
/** and so many of them are remembered, however long ago: chunks differ, and trials are rare. */
const TASTES = 12;
/** What is left of what was known when one more chunk has come, at the least. */
const STILL_THERE = 0.75;
/** What is expected of a candidate counts as much as so many trials. */
const EXPECTED_TRIALS = 2;
/** One trial says so much about a candidate at the least, however many there were. */
const LEAST_WEIGHT = 0.2;
/** A trial that was interrupted by something else must not spoil what is known. */
const LARGEST_SURPRISE = Math.log(1.6);

/** Sums over chunks. Times in nanoseconds, sizes in bytes, both as zstd level 1 would have had them. */
class Flow {
  decoded = 0;
  plain = 0;
  /** Of the chunks that were watched: their bytes, and the time around the codec. */
  watched = 0;
  around = 0;
  /** Of those that were coded: time in the codec and bytes that went into it, size and bytes that went into that. */
  time = 0;
  timed = 0;
  size = 0;
  sized = 0;

  add(other: Flow): void {
    this.decoded += other.decoded;
    this.plain += other.plain;
    this.watched += other.watched;
    this.around += other.around;
    this.time += other.time;
    this.timed += other.timed;
    this.size += other.size;
    this.sized += other.sized;
  }

  fade(factor: number): void {
    this.decoded *= factor;
    this.plain *= factor;
    this.watched *= factor;
    this.around *= factor;
  }

  fadeCodec(factor: number): void {
    this.time *= factor;
    this.timed *= factor;
    this.size *= factor;
    this.sized *= factor;
  }
}

/** What flowed between two looks. Memory comes in stretches: what is right for their average may be wrong for each. */
interface Stretch {
  readonly flow: Flow;
  readonly chunks: number;
  /** When it ended. */
  readonly at: number;
}

export class Curves {
  /** Logarithms of time and size, as multiples of zstd level 1's, as they were learned; */
  readonly #times: number[];
  readonly #sizes: number[];
  /** and the multiples, without what cannot be: a higher level is not faster, and not larger. */
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
  /** Of the stretch before. */
  #ease = 1;
  #first: number | undefined;
  #last: number | undefined;

  constructor(list: readonly Candidate[], chunkSize: number) {
    this.#chunkSize = chunkSize;
    this.#times = list.map(({ time }) => Math.log(Math.max(time, 1e-6)));
    this.#sizes = list.map(({ size }) => Math.log(size));
    this.#time = this.#times.map(Math.exp);
    this.#size = this.#sizes.map(Math.exp);
    this.#trials = list.map(() => 0);
    this.#none = list.map(({ codec }) => codec === 'none');
    // Worth half a chunk: the first one that is measured counts twice as much.
    const some = chunkSize / 2;
    Object.assign(this.#flow, {
      decoded: some,
      plain: 0.8 * some,
      watched: some,
      around: 0.2 * some,
      time: FIRST_TIME * some,
      timed: some,
      size: FIRST_SIZE * some,
      sized: some,
    });
  }

  /** Called for every chunk: sums, and nothing else. */
  sent({ candidate, decoded, plain, encoded, codecMicros, jobMicros }: ChunkFigures): void {
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
    flow.watched += decoded;
    flow.around += Math.max(0, jobMicros - codecMicros) * 1e3;
    if (!coded) return;
    flow.time += (codecMicros * 1e3) / this.#time[candidate]!;
    flow.timed += plain;
  }

  /**
   * Ends a stretch.
   * @param ease share of the measured time that the same work would take if processors never had a rest
   */
  cut(now: number, ease = 1): void {
    this.#ease = ease;
    if (this.#chunks === 0) return;
    this.#stretch.around *= ease;
    const stretch = { flow: this.#stretch, chunks: this.#chunks, at: now };
    this.#stretch = new Flow();
    this.#chunks = 0;
    this.#stretches.push(stretch);
    // At least a few chunks are remembered, however slow they come.
    const since = now - (this.#last ?? now);
    this.#first ??= now;
    const half = (now - this.#first) / 2;
    const still = Math.max(STILL_THERE ** stretch.chunks, Math.exp(-since / Math.min(FOLLOW_MS, half + 1)));
    this.#flow.fade(still);
    // Without a codec nothing has been learned of codecs either.
    if (stretch.flow.sized > 0) this.#flow.fadeCodec(still);
    this.#flow.add(stretch.flow);
    this.#last = now;
    const old = this.#stretches.findIndex(({ at }) => now - at <= Math.min(STRETCHES_MS, half));
    const most = Math.max(0, this.#stretches.length - LEAST_STRETCHES);
    this.#stretches.splice(0, old < 0 ? most : Math.min(old, most));
  }

  /** What flowed lately, oldest first, with a candidate's costs. Not empty after a first cut that had chunks. */
  shares(candidate: number): Share[] {
    return this.#stretches.map(({ flow }) => ({ bytes: flow.decoded, cost: this.cost(candidate, flow) }));
  }

  tried({ candidate, against, micros, againstMicros, length, againstLength }: TrialFigures): void {
    // A trial that was asked for before a switch may have met its own kind.
    if (candidate === against) return;
    if (!(micros > 0) || !(againstMicros > 0) || !(length > 0) || !(againstLength > 0)) return;
    const weight = Math.max(LEAST_WEIGHT, 1 / (this.#trials[candidate]! + EXPECTED_TRIALS + 1));
    this.#learn(this.#times, candidate, against, Math.log(micros / againstMicros), weight);
    this.#learn(this.#sizes, candidate, against, Math.log(length / againstLength), weight);
    this.#trials[candidate]!++;
    const weights = this.#trials.map((count) => count + EXPECTED_TRIALS);
    this.#time = neverFalling(this.#times, weights).map(Math.exp);
    this.#size = neverFalling(
      this.#sizes.map((size) => -size),
      weights,
    ).map((size) => Math.exp(-size));
  }

  /** A trial of a chunk that went without a codec: all that is known of coding what flows now. */
  tasted({ candidate, micros, length }: TrialFigures, plain: number): void {
    if (!(micros > 0) || !(length > 0) || plain === 0) return;
    const flow = this.#flow;
    // It stands for its neighbours, too. What is known besides stems from the first moments, when everything was cold.
    const bytes = TASTED * plain;
    const most = TASTES * TASTED * this.#chunkSize;
    flow.fadeCodec(Math.min(1, most / flow.sized) * (1 - bytes / most));
    const expected = (flow.time / flow.timed) * this.#time[candidate]!;
    const surprise = Math.log((micros * 1e3 * this.#ease) / plain / expected);
    const seen = expected * Math.exp(Math.max(-LARGEST_SURPRISE, Math.min(LARGEST_SURPRISE, surprise)));
    flow.time += (seen * bytes) / this.#time[candidate]!;
    flow.timed += bytes;
    flow.size += (TASTED * length) / this.#size[candidate]!;
    flow.sized += bytes;
  }

  #learn(curve: number[], candidate: number, against: number, difference: number, weight: number): void {
    const surprise = difference - (curve[candidate]! - curve[against]!);
    const step = Math.max(-LARGEST_SURPRISE, Math.min(LARGEST_SURPRISE, surprise)) * weight;
    for (let other = 0; other < curve.length; other++) {
      if (this.#none[other]! || (other !== candidate && this.#trials[other]! > 0)) continue;
      // From the one that is known to the one that was tried, and as far beyond as the list goes.
      const share = (other - against) / (candidate - against);
      curve[other]! += step * Math.max(0, Math.min(1, share));
    }
  }

  /** What a candidate would cost on what flows now, or on one stretch of it. */
  cost(candidate: number, part = this.#flow): Cost {
    const { decoded, plain } = part;
    // Of what nobody watched, or what went without a codec, nothing is known but what was seen elsewhere.
    const { watched, around } = part.watched > 0 ? part : this.#flow;
    const { time, timed } = part.timed > 0 ? part : this.#flow;
    const { size, sized } = part.sized > 0 ? part : this.#flow;
    const share = plain / decoded;
    const none = this.#none[candidate]!;
    const codec = none ? 0 : (time / timed) * this.#time[candidate]!;
    const left = none ? 1 : Math.min(1, (size / sized) * this.#size[candidate]!);
    // A chunk of nothing but zero pages still has a record.
    return { worker: around / watched + share * codec, wire: Math.max(1e-5, share * left) };
  }

  /** Nanoseconds in the codec for a byte that is left for it. */
  codecTime(candidate: number): number {
    return this.#none[candidate]! ? 0 : (this.#flow.time / this.#flow.timed) * this.#time[candidate]!;
  }
}
