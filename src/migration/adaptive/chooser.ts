// The controller at work in a transfer: writes its choice into each job, and tells it what came of it.
// Lives on the main thread; all clocks are read here.

import { CODEC_ID } from '../../codec/codec.js';
import { HOLDS, JOB, JOB_FLAG } from '../../slot/job.js';
import type { SlotViews } from '../../slot/layout.js';
import { type Candidate, codingName } from './candidates.js';
import { Controller, type FirstGuess, type Switch } from './controller.js';
import type { TrialFigures } from './curves.js';
import type { WriteFigures } from './link-gauge.js';
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

function key(codec: number, level: number): number {
  return codec * 1_000 + level;
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

export class Chooser {
  readonly #options: ChooserOptions;
  readonly #controller: Controller;
  readonly #indexOf: ReadonlyMap<number, number>;
  readonly #switches: Switch[] = [];
  #cpu = cpuMicros();

  constructor(options: ChooserOptions) {
    this.#options = options;
    const { candidates, machine, first } = options;
    this.#controller = new Controller(candidates, machine, performance.now(), first);
    this.#indexOf = new Map(
      candidates.map(({ codec, level }, index) => [key(CODEC_ID[codec], level), index]),
    );
  }

  /** Writes codec, level and trial of the next chunk into its job. */
  prepare(ints: Int32Array): void {
    const { candidates } = this.#options;
    const { codec, level } = candidates[this.#controller.current]!;
    const trial = this.#controller.nextTrial();
    ints[JOB.codec] = CODEC_ID[codec];
    ints[JOB.level] = level;
    if (trial !== undefined || this.#controller.nextWatched()) {
      ints[JOB.flags]! |= JOB_FLAG.watch;
    }
    ints[JOB.trialCodec] = trial === undefined ? 0 : CODEC_ID[candidates[trial]!.codec];
    ints[JOB.trialLevel] = trial === undefined ? 0 : candidates[trial]!.level;
    ints[JOB.micros] = ints[JOB.jobCpu] = ints[JOB.codecCpu] = 0;
  }

  /** What a slot held has left. */
  departed({ ints }: SlotViews): void {
    // Stored by the main thread because no worker was free: nothing was measured.
    if (ints[JOB.holds] !== HOLDS.chunk || ints[JOB.micros] === 0) return;
    const candidate = this.#candidate(ints[JOB.codec]!, ints[JOB.level]!);
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

  /** A write has ended; `queued` is what the kernel then held. */
  wrote(write: WriteFigures): void {
    const controller = this.#controller;
    const { ended } = write;
    controller.wrote(this.#options.queueTells ? write : { ...write, queued: undefined });
    if (!controller.due(ended)) return;
    const cpu = cpuMicros();
    const change = controller.look(cpu - this.#cpu, ended);
    this.#cpu = cpu;
    if (change !== undefined && this.#switches.length < MOST_SWITCHES) this.#switches.push(change);
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

  /** Nearly always the one that is in use. */
  #candidate(codec: number, level: number): number {
    const { current } = this.#controller;
    const used = this.#options.candidates[current]!;
    const same = used.level === level && CODEC_ID[used.codec] === codec;
    return same ? current : this.#indexOf.get(key(codec, level))!;
  }

  #trialOf(ints: Int32Array, against: number): TrialFigures {
    return {
      candidate: this.#candidate(ints[JOB.trialCodec]!, ints[JOB.trialLevel]!),
      against,
      micros: ints[JOB.trialCpu]!,
      againstMicros: ints[JOB.codecCpu]!,
      length: ints[JOB.trialLength]!,
      againstLength: ints[JOB.outputLength]!,
    };
  }
}
