// What each candidate costs and how small it makes this guest's memory, learned while chunks leave.
// Absolute figures come from the chunks that were sent and follow the guest within half a second; how candidates stand
// to each other comes from trials, where two of them coded the same bytes. Candidates that were never tried keep the
// expected shape, moved along with their neighbours. Pure: time is given with each chunk.

import { type Candidate, FIRST_SIZE, FIRST_TIME } from './candidates.js';

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
/** One trial says so much about a candidate at the least, however many there were. */
const LEAST_WEIGHT = 0.2;
/** A trial that was interrupted by something else must not spoil what is known. */
const LARGEST_SURPRISE = Math.log(1.6);

/** Sums that fade. Times in nanoseconds, sizes in bytes, both as zstd level 1 would have had them. */
interface Flow {
  decoded: number;
  plain: number;
  around: number;
  time: number;
  timed: number;
  size: number;
  sized: number;
}

export class Curves {
  readonly #time: number[];
  readonly #size: number[];
  readonly #trials: number[];
  readonly #none: readonly boolean[];
  #flow: Flow;
  #last: number | undefined;

  constructor(list: readonly Candidate[], chunkSize: number) {
    this.#time = list.map(({ time }) => Math.log(Math.max(time, 1e-6)));
    this.#size = list.map(({ size }) => Math.log(size));
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
    const flow = this.#flow;
    flow.decoded += decoded;
    flow.plain += plain;
    flow.around += Math.max(0, jobMicros - codecMicros) * 1e3;
    if (this.#none[candidate]! || plain === 0) return;
    flow.time += (codecMicros * 1e3) / Math.exp(this.#time[candidate]!);
    flow.timed += plain;
    flow.size += Math.min(encoded, plain) / Math.exp(this.#size[candidate]!);
    flow.sized += plain;
  }

  tried({ candidate, against, micros, againstMicros, length, againstLength }: TrialFigures): void {
    // A trial that was asked for before a switch may have met its own kind.
    if (candidate === against) return;
    if (!(micros > 0) || !(againstMicros > 0) || !(length > 0) || !(againstLength > 0)) return;
    const weight = Math.max(LEAST_WEIGHT, 1 / (this.#trials[candidate]! + 1));
    const sure = this.#trials[candidate]! >= 2;
    this.#learn(this.#time, candidate, against, Math.log(micros / againstMicros), weight, sure);
    this.#learn(this.#size, candidate, against, Math.log(length / againstLength), weight, sure);
    this.#trials[candidate]!++;
  }

  /** A trial of a chunk that went without a codec: all that is known of coding what flows now. */
  tasted({ candidate, micros, length }: TrialFigures, plain: number): void {
    if (!(micros > 0) || !(length > 0) || plain === 0) return;
    this.#flow.time += (micros * 1e3) / Math.exp(this.#time[candidate]!);
    this.#flow.timed += plain;
    this.#flow.size += length / Math.exp(this.#size[candidate]!);
    this.#flow.sized += plain;
  }

  #learn(
    curve: number[],
    candidate: number,
    against: number,
    difference: number,
    weight: number,
    sure: boolean,
  ): void {
    let surprise = difference - (curve[candidate]! - curve[against]!);
    if (sure) surprise = Math.max(-LARGEST_SURPRISE, Math.min(LARGEST_SURPRISE, surprise));
    const step = surprise * weight;
    for (let other = 0; other < curve.length; other++) {
      if (this.#none[other]! || (other !== candidate && this.#trials[other]! > 0)) continue;
      // From the one that is known to the one that was tried, and as far beyond as the list goes.
      const share = (other - against) / (candidate - against);
      curve[other]! += step * Math.max(0, Math.min(1, share));
    }
  }

  /** What a candidate would cost on what flows now. */
  cost(candidate: number): Cost {
    const { decoded, plain, around, time, timed, size, sized } = this.#flow;
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
