// The controller at work in a transfer: writes its choice into each job, and tells it what came of it.
// Lives on the main thread; all clocks are read here.

import type { CodecName } from '../../codec/codec.js';
import type { EncodeJob } from '../../slot/encode-job.js';
import { type Candidate, codingName } from './candidates.js';
import { Controller, type FirstGuess, type Switch } from './controller.js';
import type { TrialFigures } from './curves.js';
import type { WriteFigures } from './write-figures.js';
import type { Machine } from './model.js';
import type { Waiting } from '../../io/waiting-source.js';

/** What the controller did, for the statistics. */
export interface AdaptiveReport {
  /** With what the transfer ended. */
  readonly coding: string;
  readonly switches: readonly Switch[];
  /** Bytes per second that the link carried when it last limited; absent when it never did. */
  readonly 'link-rate'?: number;
  /** Chunks that were coded a second time to learn, and the processor time that this took. */
  readonly trials: { readonly count: number; readonly 'cpu-seconds': number };
}

export interface ChooserOptions {
  readonly candidates: readonly Candidate[];
  readonly machine: Machine;
  readonly first: FirstGuess;
  /** Whether ByteSink.queued() tells what the link has still to do. */
  readonly queueTells: boolean;
}

/** Of a process whose conditions keep changing for days, the first switches are kept. */
const MOST_SWITCHES = 1_000;

/** One codec adapts, and chunks may go without it: that is its level 0. */
function jobLevel({ codec, level }: Candidate): number {
  return codec === 'none' ? 0 : level;
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

export class Chooser {
  readonly #options: ChooserOptions;
  readonly #controller: Controller;
  readonly #indexOf: ReadonlyMap<number, number>;
  /** The one that all candidates have but the one without. */
  readonly #codec: CodecName;
  readonly #switches: Switch[] = [];
  #cpu = cpuMicros();

  constructor(options: ChooserOptions) {
    this.#options = options;
    const { candidates, machine, first } = options;
    this.#controller = new Controller(candidates, machine, performance.now(), first);
    this.#indexOf = new Map(candidates.map((each, index) => [jobLevel(each), index]));
    this.#codec = candidates.find(({ codec }) => codec !== 'none')?.codec ?? 'none';
  }

  /** Writes codec, level and trial of the next chunk into its job. */
  prepare(job: EncodeJob): void {
    const { candidates } = this.#options;
    const trial = this.#controller.nextTrial();
    job.codec = this.#codec;
    job.level = this.#level;
    job.watched = trial !== undefined || this.#controller.nextWatched();
    if (trial === undefined) return;
    job.trialCodec = candidates[trial]!.codec;
    job.trialLevel = candidates[trial]!.level;
  }

  /** The same for a chunk that waits for a worker, after a change of mind; nothing is lost where one has begun already. */
  redirect(job: EncodeJob): void {
    job.level = this.#level;
  }

  /** What a slot held has left. */
  departed(job: EncodeJob): void {
    // Stored by the main thread because no worker was free: nothing was measured.
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
    this.#controller.sent(chunk, job.trialCodec === undefined ? undefined : this.#trialOf(job, candidate));
  }

  /**
   * A write has ended.
   * @returns whether the choice has changed: then chunks that nobody works on yet are to be redirected
   */
  wrote(write: WriteFigures): boolean {
    const controller = this.#controller;
    const { ended } = write;
    controller.wrote(this.#options.queueTells ? write : { ...write, before: undefined, queued: undefined });
    if (!controller.due(ended)) return false;
    const cpu = cpuMicros();
    const change = controller.look(cpu - this.#cpu, ended);
    this.#cpu = cpu;
    if (change === undefined) return false;
    if (this.#switches.length < MOST_SWITCHES) this.#switches.push(change);
    return true;
  }

  /** The receiver has said how long it waits. */
  heard(waiting: Waiting): void {
    this.#controller.heard(waiting);
  }

  report(): AdaptiveReport {
    const { current, linkRate, trials } = this.#controller;
    return {
      coding: codingName(this.#options.candidates[current]!),
      switches: [...this.#switches],
      ...(linkRate === undefined ? {} : { 'link-rate': Math.round(linkRate) }),
      trials: { count: trials.count, 'cpu-seconds': Math.round(trials.micros / 1e3) / 1e3 },
    };
  }

  /** That of the candidate in use, as it stands in a job. */
  get #level(): number {
    return jobLevel(this.#options.candidates[this.#controller.current]!);
  }

  /** Nearly always the one that is in use. */
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
