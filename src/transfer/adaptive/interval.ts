// What left between two looks, added up. Pure sums; draws no conclusions but one: how long it should have taken.

import type { ChunkFigures } from './curves.js';
import type { Machine } from './model.js';

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
  /** Of the chunks that were watched: for how long workers had them, processor time of jobs with trials, and of trials alone. */
  #watched = 0;
  #jobs = 0;
  #tried = 0;

  add(chunk: ChunkFigures, current: number, trialMicros: number): void {
    this.guest += chunk.decoded;
    this.wire += chunk.encoded;
    this.chunks++;
    this.busy += chunk.wall;
    if (chunk.candidate === current) this.guestOfCurrent += chunk.decoded;
    if (chunk.jobMicros === 0) return;
    this.#watched += chunk.wall;
    this.#jobs += chunk.jobMicros + trialMicros;
    this.#tried += trialMicros;
  }

  /** Whether it is known what of the processor time was the workers'. */
  get known(): boolean {
    return this.#watched > 0;
  }

  /** Microseconds of processor time of all jobs, trials included: those that nobody watched were like the others. */
  get jobs(): number {
    return this.known ? (this.#jobs * this.busy) / this.#watched : 0;
  }

  /** Microseconds of trials alone: a chunk that is tried is always watched. */
  get tried(): number {
    return this.#tried;
  }

  /** Microseconds of the main thread: what the process used beyond its workers' jobs. */
  get main(): number {
    return Math.max(0, this.cpu - this.jobs);
  }

  /** Milliseconds that the same work takes when nothing has to wait, without the trials. */
  should({ threads, cpus }: Machine): number {
    const jobs = this.jobs - this.tried;
    return Math.max(jobs / threads, this.main, (jobs + this.main) / cpus) / 1e3;
  }
}
