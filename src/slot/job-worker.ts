// `JobRunner`: runs the jobs of slots in the calling thread, a worker thread or the main thread, and stores the outcome of each.
// A job that throws fails its slot only. It knows neither the ring nor what a job does.

import { Reclaimer } from '../codec/reclaim.js';
import { monotonicMs } from '../os/time/clock.js';
import type { SlotViews } from './layout.js';
import { jobDone, jobFailed } from './outcome.js';

/** The work of one transfer in one thread. */
export interface JobWorker {
  /** Codecs of the thread, if the jobs need any. */
  readonly cache?: {
    /** Whether a binding in use returns buffers of its own (BindingInfo.returnsBuffers). */
    readonly returnsBuffers: boolean;
    /** Gives native contexts back. */
    close(): void;
  };
  /** Does the job. Rejects when the job fails. */
  job(slot: SlotViews): Promise<void>;
}

export class JobRunner {
  readonly #worker: JobWorker;
  readonly #reclaimer = new Reclaimer();
  /** Bytes of jobs since the last reclaim. */
  #bytes = 0;

  constructor(worker: JobWorker) {
    this.#worker = worker;
  }

  /** Runs the job and stores its state. Never rejects. @returns false for a job that failed */
  async run(slot: SlotViews): Promise<boolean> {
    const { job } = slot;
    const started = monotonicMs();
    try {
      await this.#worker.job(slot);
      this.#bytes += Math.max(job.inputLength, job.outputLength);
      job.wallMicros = (monotonicMs() - started) * 1000;
      jobDone(slot);
      return true;
    } catch (thrown) {
      jobFailed(slot, thrown, { sequence: job.sequence });
      return false;
    }
  }

  /** Whether the jobs so far have left buffers behind that only a garbage collection frees. */
  get leavesBuffers(): boolean {
    return this.#worker.cache?.returnsBuffers === true;
  }

  /** Frees what bindings left behind, when it is time. Call between jobs. @returns a promise to wait for, if any */
  reclaim(): Promise<void> | undefined {
    const bytes = this.#bytes;
    this.#bytes = 0;
    return this.leavesBuffers ? this.#reclaimer.used(bytes) : undefined;
  }

  /** Gives native contexts back. No job may be running. */
  close(): void {
    this.#worker.cache?.close();
  }
}
