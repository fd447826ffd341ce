// What left between two looks, added up. Pure sums; draws no conclusions but one: how long it should have taken.

import type { ChunkFigures } from './curves.js';
import type { Machine } from './model.js';

export class Window {
  /** Bytes of guest memory; of these, coded with the candidate in use. */
  guest = 0;
  guestOfCurrent = 0;
  /** Bytes on the link. */
  wire = 0;
  chunks = 0;
  /** Microseconds of processor time of jobs, trials included, and of the trials alone. */
  jobs = 0;
  tried = 0;
  /** Microseconds for which workers had chunks. */
  busy = 0;
  /** Microseconds of processor time of the whole process; known at the end. */
  cpu = 0;

  add(chunk: ChunkFigures, wall: number, current: number, trialMicros: number): void {
    this.guest += chunk.decoded;
    this.wire += chunk.encoded;
    this.chunks++;
    this.jobs += chunk.jobMicros + trialMicros;
    this.tried += trialMicros;
    this.busy += wall;
    if (chunk.candidate === current) this.guestOfCurrent += chunk.decoded;
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
