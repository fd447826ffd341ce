// The controller at work in a transfer: writes the choice into each job, and feeds the controller with the results.
// Runs on the main thread; all clocks of adaptive mode are read here.

import type { CodecName } from '../../codec/codec.js';
import type { Waiting } from '../../io/waiting-source.js';
import { monotonicMs } from '../../os/time/clock.js';
import { processMicros } from '../../os/processor/cpu-time.js';
import type { EncodeJob } from '../../slot/encode-job.js';
import { type Candidate, codingName } from './candidates.js';
import { Controller } from './controller.js';
import type { TrialFigures } from './costs/curves.js';
import { MOST_SWITCHES_KEPT } from './limits.js';
import type { Machine } from './prediction.js';
import type { FirstGuess, Learned } from './history/prior.js';
import type { Switch } from './switch.js';
import type { WriteFigures } from './link/write-figures.js';

/** What the controller did, for the statistics. */
export interface AdaptiveReport {
  /** The coding at the end of the transfer. */
  readonly coding: string;
  /** Changes of the coding, oldest first. */
  readonly switches: readonly Switch[];
  /** Bytes per second that the link carried when it last limited; absent when it never did. */
  readonly linkRate?: number;
  /** Chunks that were coded a second time to learn, and the processor time that this took. */
  readonly trials: {
    /** Chunks. */
    readonly count: number;
    /** Seconds. */
    readonly cpuSeconds: number;
  };
}

export interface ChooserOptions {
  readonly candidates: readonly Candidate[];
  readonly machine: Machine;
  readonly first: FirstGuess;
  /** The name of codec and binding in the history. */
  readonly historyName: string;
  /** Whether ByteSink.queued() says what the link has not carried yet. */
  readonly queueTells: boolean;
}

/** The level in a job. Only one codec adapts; a chunk without it has that codec's level 0. */
function jobLevel({ codec, level }: Candidate): number {
  return codec === 'none' ? 0 : level;
}

export class Chooser {
  readonly #options: ChooserOptions;
  readonly #controller: Controller;
  readonly #indexOf: ReadonlyMap<number, number>;
  /** The codec of all candidates but `none`. */
  readonly #codec: CodecName;
  readonly #switches: Switch[] = [];
  #cpu = processMicros();

  constructor(options: ChooserOptions) {
    this.#options = options;
    const { candidates, machine, first } = options;
    this.#controller = new Controller(candidates, machine, monotonicMs(), first);
    this.#indexOf = new Map(candidates.map((each, index) => [jobLevel(each), index]));
    this.#codec = candidates.find(({ codec }) => codec !== 'none')?.codec ?? 'none';
  }

  /** Writes codec, level and trial of the next chunk into its job. */
  prepare(job: EncodeJob): void {
    const { candidates } = this.#options;
    const probe = this.#controller.nextProbe();
    const trial = probe === undefined ? this.#controller.nextTrial() : undefined;
    job.codec = this.#codec;
    job.level = probe === undefined ? this.#level : jobLevel(candidates[probe]!);
    job.watched = trial !== undefined || this.#controller.nextMeasured();
    if (trial === undefined) return;
    job.trialCodec = candidates[trial]!.codec;
    job.trialLevel = candidates[trial]!.level;
  }

  /** Writes a new choice into the job of a queued chunk. A worker that has begun with the chunk is not disturbed. */
  redirect(job: EncodeJob): void {
    job.level = this.#level;
  }

  /** A slot's chunk has left. */
  departed(job: EncodeJob): void {
    // The main thread stored the chunk because no worker was free: nothing was measured.
    if (job.verbatim || job.wallMicros === 0) return;
    const candidate = this.#candidate(job.usedLevel);
    const chunk = {
      candidate,
      decoded: job.inputLength,
      plain: job.plainLength,
      encoded: job.outputLength,
      wall: job.wallMicros,
      codecMicros: job.codecMicros,
      jobMicros: job.cpuMicros,
    };
    this.#controller.recordChunk(
      chunk,
      job.trialCodec === undefined ? undefined : this.#trialOf(job, candidate),
    );
  }

  /**
   * A write has ended.
   * @returns whether the choice has changed: then queued chunks are to be redirected
   */
  wrote(write: WriteFigures): boolean {
    const controller = this.#controller;
    const { ended } = write;
    controller.recordWrite(
      this.#options.queueTells ? write : { ...write, before: undefined, queued: undefined },
    );
    if (!controller.isDue(ended)) return false;
    const cpu = processMicros();
    const change = controller.evaluate(cpu - this.#cpu, ended);
    this.#cpu = cpu;
    if (change === undefined) return false;
    if (this.#switches.length < MOST_SWITCHES_KEPT) this.#switches.push(change);
    return true;
  }

  /** The receiver has reported how long it waits. */
  heard(waiting: Waiting): void {
    this.#controller.recordReport(waiting);
  }

  /** What was measured, for later transfers. */
  get learned(): Learned {
    return this.#controller.learned;
  }

  report(): AdaptiveReport {
    const { current, linkRate, trials } = this.#controller;
    return {
      coding: codingName(this.#options.candidates[current]!),
      switches: [...this.#switches],
      ...(linkRate === undefined ? {} : { linkRate: Math.round(linkRate) }),
      trials: { count: trials.count, cpuSeconds: Math.round(trials.micros / 1e3) / 1e3 },
    };
  }

  /** The level of the candidate in use, as in a job. */
  get #level(): number {
    return jobLevel(this.#options.candidates[this.#controller.current]!);
  }

  /** The candidate of a job's level: nearly always the candidate in use. */
  #candidate(level: number): number {
    return level === this.#level ? this.#controller.current : this.#indexOf.get(level)!;
  }

  #trialOf(job: EncodeJob, against: number): TrialFigures {
    return {
      candidate: this.#candidate(job.trialLevel),
      against,
      micros: job.trialMicros,
      againstMicros: job.codecMicros,
      length: job.trialLength,
      againstLength: job.outputLength,
    };
  }
}
