// What each candidate costs and how small it makes this guest's memory, learned while chunks leave.
// Absolute figures come from the chunks that were sent and follow the guest within half a second; how candidates stand
// to each other comes from trials, where two of them coded the same bytes. Candidates that were never tried keep the
// expected shape, moved along with their neighbours. Pure: time is given with each chunk.

import { type Candidate, FIRST_SIZE, FIRST_TIME } from './candidates.js';
import { neverFalling } from './isotonic.js';

/** A chunk that was sent. */
export interface ChunkFigures {
  readonly candidate: number;
  /** Bytes of the guest's stream. */
  readonly decoded: number;
  /** Bytes that were left for the codec: no zero pages, no duplicates. */
  readonly plain: number;
  /** Bytes of the record on the link. */
  readonly encoded: number;
  /** Microseconds of processor time in the codec. */
  readonly codecMicros: number;
  /** The same for the whole job, codec included, trial not. */
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

/** What one byte of the guest's stream costs now. */
export interface Cost {
  /** Nanoseconds of a worker. */
  readonly worker: number;
  /** Bytes on the link. */
  readonly wire: number;
}

/** The memory of what kind of bytes flow now. */
const FOLLOW_MS = 400;
/** Stretches of the stream that are older than this are forgotten one by one; at least LEAST_STRETCHES are kept. */
const STRETCHES_MS = 1_000;
const LEAST_STRETCHES = 4;
/** What is expected of a candidate counts as much as so many trials. */
const EXPECTED_TRIALS = 2;
/** One trial says so much about a candidate at the least, however many there were. */
const LEAST_WEIGHT = 0.2;
/** A trial that was interrupted by something else must not spoil what is known. */
const LARGEST_SURPRISE = Math.log(1.6);

/** Sums over chunks. Times in nanoseconds, sizes in bytes, both as zstd level 1 would have had them. */
interface Flow {
  decoded: number;
  plain: number;
  around: number;
  time: number;
  timed: number;
  size: number;
  sized: number;
}

/** What flowed between two looks. Memory comes in stretches: what is right for their average may be wrong for each. */
export interface Stretch extends Readonly<Flow> {
  readonly at: number;
}

const NOTHING: Flow = { decoded: 0, plain: 0, around: 0, time: 0, timed: 0, size: 0, sized: 0 };

export class Curves {
  /** Logarithms of time and size, as multiples of zstd level 1's: as they were learned, */
  readonly #times: number[];
  readonly #sizes: number[];
  /** and without what cannot be: a higher level is not faster, and not larger. */
  #time: readonly number[];
  #size: readonly number[];
  readonly #trials: number[];
  readonly #none: readonly boolean[];
  #flow: Flow;
  #stretch: Flow = { ...NOTHING };
  #stretches: Stretch[] = [];
  #last: number | undefined;

  constructor(list: readonly Candidate[], chunkSize: number) {
    this.#times = list.map(({ time }) => Math.log(Math.max(time, 1e-6)));
    this.#sizes = list.map(({ size }) => Math.log(size));
    this.#time = this.#times;
    this.#size = this.#sizes;
    this.#trials = list.map(() => 0);
    this.#none = list.map(({ codec }) => codec === 'none');
    // Worth half a chunk: the first one that is measured counts twice as much.
    const some = chunkSize / 2;
    this.#flow = {
      decoded: some,
      plain: 0.8 * some,
      around: 0.2 * some,
      time: FIRST_TIME * some,
      timed: some,
      size: FIRST_SIZE * some,
      sized: some,
    };
  }

  /** How often a candidate was tried; chunks that were sent do not count. */
  trials(candidate: number): number {
    return this.#trials[candidate]!;
  }

  sent(chunk: ChunkFigures, now: number): void {
    const { candidate, decoded, plain, encoded, codecMicros, jobMicros } = chunk;
    this.#fade(now);
    const around = Math.max(0, jobMicros - codecMicros) * 1e3;
    const coded = !this.#none[candidate]! && plain > 0;
    const time = (codecMicros * 1e3) / Math.exp(this.#time[candidate]!);
    const size = Math.min(encoded, plain) / Math.exp(this.#size[candidate]!);
    for (const flow of [this.#flow, this.#stretch]) {
      flow.decoded += decoded;
      flow.plain += plain;
      flow.around += around;
      if (!coded) continue;
      flow.time += time;
      flow.timed += plain;
      flow.size += size;
      flow.sized += plain;
    }
  }

  /** Ends a stretch. */
  cut(now: number): void {
    const stretch = { ...this.#stretch, at: now };
    this.#stretch = { ...NOTHING };
    if (stretch.decoded > 0) this.#stretches.push(stretch);
    const old = this.#stretches.findIndex(({ at }) => now - at < STRETCHES_MS);
    const most = Math.max(0, this.#stretches.length - LEAST_STRETCHES);
    this.#stretches.splice(0, old < 0 ? most : Math.min(old, most));
  }

  /** What flowed lately, oldest first. Not empty after a first cut that had chunks. */
  get stretches(): readonly Stretch[] {
    return this.#stretches;
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
    this.#time = neverFalling(this.#times, weights);
    this.#size = neverFalling(
      this.#sizes.map((size) => -size),
      weights,
    ).map((size) => -size);
  }

  /** A trial of a chunk that went without a codec: all that is known of coding what flows now. */
  tasted({ candidate, micros, length }: TrialFigures, plain: number): void {
    if (!(micros > 0) || !(length > 0) || plain === 0) return;
    this.#flow.time += (micros * 1e3) / Math.exp(this.#time[candidate]!);
    this.#flow.timed += plain;
    this.#flow.size += length / Math.exp(this.#size[candidate]!);
    this.#flow.sized += plain;
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
  cost(candidate: number, { decoded, plain, around, ...coded }: Flow = this.#flow): Cost {
    // Of what went without a codec nothing is known but what trials have said.
    const { time, timed, size, sized } = coded.timed > 0 ? coded : this.#flow;
    const share = plain / decoded;
    const none = this.#none[candidate]!;
    const codec = none ? 0 : (time / timed) * Math.exp(this.#time[candidate]!);
    const left = none ? 1 : Math.min(1, (size / sized) * Math.exp(this.#size[candidate]!));
    // A chunk of nothing but zero pages still has a record.
    return { worker: around / decoded + share * codec, wire: Math.max(1e-5, share * left) };
  }

  /** Nanoseconds in the codec for a byte that is left for it. */
  codecTime(candidate: number): number {
    return this.#none[candidate]!
      ? 0
      : (this.#flow.time / this.#flow.timed) * Math.exp(this.#time[candidate]!);
  }

  #fade(now: number): void {
    const since = now - (this.#last ?? now);
    this.#last = now;
    // At least a few chunks are remembered, however slow they come.
    const factor = Math.max(0.75, Math.exp(-since / FOLLOW_MS));
    for (const key of Object.keys(this.#flow) as (keyof Flow)[]) this.#flow[key] *= factor;
  }
}
