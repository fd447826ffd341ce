// What left during one interval, added up. Pure sums; draws one conclusion only: how long the work should have taken.

import { hostTime } from '../../../model/pipeline.js';
import type { ChunkFigures } from './curves.js';
import type { Policy } from '../policy.js';
import type { Machine } from '../prediction.js';

export class Interval {
  /** Bytes of guest memory; of these, coded with the candidate in use. */
  guest = 0;
  guestOfCurrent = 0;
  /** Bytes on the link. */
  wire = 0;
  chunks = 0;
  /** Microseconds for which workers had chunks. */
  busy = 0;
  /** Microseconds of processor time of the whole process; known at the end. */
  cpu = 0;
  /** Of measured chunks: how long workers had them, processor time of jobs with trials, and of trials alone. */
  #measured = 0;
  #jobs = 0;
  #tried = 0;

  add(chunk: ChunkFigures, current: number, trialMicros: number): void {
    this.guest += chunk.decoded;
    this.wire += chunk.encoded;
    this.chunks++;
    this.busy += chunk.wall;
    if (chunk.candidate === current) this.guestOfCurrent += chunk.decoded;
    if (chunk.jobMicros === 0) return;
    this.#measured += chunk.wall;
    this.#jobs += chunk.jobMicros + trialMicros;
    this.#tried += trialMicros;
  }

  /** Whether the workers' part of the processor time is known. */
  get known(): boolean {
    return this.#measured > 0;
  }

  /** Microseconds of processor time of all jobs, trials included. Jobs that were not measured count like the others. */
  get jobs(): number {
    return this.known ? (this.#jobs * this.busy) / this.#measured : 0;
  }

  /** Microseconds of trials alone: a chunk with a trial is always measured. */
  get tried(): number {
    return this.#tried;
  }

  /** Microseconds of the main thread: what the process used beyond its workers' jobs. */
  get main(): number {
    return Math.max(0, this.cpu - this.jobs);
  }

  /** Milliseconds that the same work takes when nothing waits, without the trials. */
  expectedMs(machine: Machine): number {
    return hostTime(this.jobs - this.tried, this.main, machine) / 1e3;
  }

  /** Whether workers and processors waited for the input. */
  isIdle({ threads, cpus }: Machine, { evidence }: Policy, elapsed: number): boolean {
    return (
      this.busy < evidence.busyWorkersShare * threads * elapsed * 1e3 &&
      this.cpu < evidence.busyCpusShare * cpus * elapsed * 1e3
    );
  }

  /**
   * Share of the measured processor time that the same work would take without rests. While a link limits chunks that go without
   * a codec, processors rest between chunks and find cold caches and sleeping threads afterwards; with a codec they do not.
   */
  ease({ cpus }: Machine, { evidence }: Policy, elapsed: number): number {
    const rest = Math.max(0, 1 - this.cpu / (elapsed * 1e3 * cpus));
    return 1 / (1 + evidence.restingPenalty * rest);
  }
}
