// The controller at work in a transfer: writes its choice into each job, and tells it what came of it.
// Lives on the main thread; all clocks are read here.

import { CODEC_ID, type CodecName } from '../../codec/codec.js';
import { HOLDS, JOB, JOB_FLAG } from '../../slot/job.js';
import type { SlotViews } from '../../slot/layout.js';
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
  prepare(ints: Int32Array): void {
    const { candidates } = this.#options;
    const trial = this.#controller.nextTrial();
    ints[JOB.codec] = CODEC_ID[this.#codec];
    ints[JOB.level] = this.#level;
    if (trial !== undefined || this.#controller.nextWatched()) {
      ints[JOB.flags]! |= JOB_FLAG.watch;
    }
    ints[JOB.trialCodec] = trial === undefined ? 0 : CODEC_ID[candidates[trial]!.codec];
    ints[JOB.trialLevel] = trial === undefined ? 0 : candidates[trial]!.level;
    ints[JOB.micros] = ints[JOB.jobCpu] = ints[JOB.codecCpu] = 0;
  }

  /** The same for a chunk that waits for a worker, after a change of mind; nothing is lost where one has begun already. */
  redirect(ints: Int32Array): void {
    Atomics.store(ints, JOB.level, this.#level);
  }

  /** What a slot held has left. */
  departed({ ints }: SlotViews): void {
    // Stored by the main thread because no worker was free: nothing was measured.
    if (ints[JOB.holds] !== HOLDS.chunk || ints[JOB.micros] === 0) return;
    const candidate = this.#candidate(ints[JOB.usedLevel]!);
    const chunk = {
      candidate,
      decoded: ints[JOB.inputLength]!,
      plain: ints[JOB.plainLength]!,
      encoded: ints[JOB.outputLength]!,
      wall: ints[JOB.micros]!,
      codecMicros: ints[JOB.codecCpu]!,
      jobMicros: ints[JOB.jobCpu]!,
    };
    this.#controller.sent(chunk, ints[JOB.trialCodec] === 0 ? undefined : this.#trialOf(ints, candidate));
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

  #trialOf(ints: Int32Array, against: number): TrialFigures {
    return {
      candidate: this.#candidate(ints[JOB.trialLevel]!),
      against,
      micros: ints[JOB.trialCpu]!,
      againstMicros: ints[JOB.codecCpu]!,
      length: ints[JOB.trialLength]!,
      againstLength: ints[JOB.outputLength]!,
    };
  }
}
