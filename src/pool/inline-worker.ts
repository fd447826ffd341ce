// `InlineWorker`: runs jobs of the ring on the calling thread, the main thread, until a worker thread has taken its first job. Between two
// jobs the event loop gets a turn, so it never waits longer than for one job. Jobs run in the order of the pushes, by the code of the
// threads. It starts no thread and only says when threads would pay.

import { monotonicMs } from '../os/time/clock.js';
import { processMicros } from '../os/processor/cpu-time.js';
import { HostThreads, type HostThreadsKey } from '../os/processor/host-threads.js';
import { JobRunner, type JobWorker } from '../slot/job-worker.js';
import type { SlotViews } from '../slot/layout.js';
import type { Ring } from '../slot/ring.js';
import { InlineLoad } from './inline-load.js';
import { tellMoment } from './loaded.js';

export interface InlineWorkerOptions {
  readonly ring: Ring;
  readonly slots: readonly SlotViews[];
  readonly worker: JobWorker;
  readonly hostThreads?: HostThreadsKey | undefined;
  /** Whether the pool's caller waits for a result. */
  readonly isAwaited: () => boolean;
  /** A job has ended, and its state is stored. */
  readonly onEnd: (slot: number, isDone: boolean) => void;
  /** Called once: from now on threads pay. */
  readonly onPays: () => void;
}

export class InlineWorker {
  readonly #options: InlineWorkerOptions;
  readonly #runner: JobRunner;
  readonly #load = new InlineLoad();
  #host: HostThreads | undefined;
  #hostIsOpen = false;
  /** Jobs that this thread has taken. */
  #taken = 0;
  #pays = false;
  #leavesBuffers = false;
  #isStopped = false;
  #running: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: InlineWorkerOptions) {
    this.#options = options;
    this.#runner = new JobRunner(options.worker);
  }

  /** Whether threads would pay: the pool should have started them. */
  get pays(): boolean {
    return this.#pays;
  }

  /** Whether a thread has taken over. */
  get isOver(): boolean {
    return this.#isStopped || this.#options.ring.hasWorker(this.#taken);
  }

  /** Call after each push. */
  wake(): void {
    if (this.#running !== undefined || this.#isStopped) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      // A job may have been pushed behind the last look at the ring.
      if (!this.isOver && this.#options.ring.backlog > 0) this.wake();
    });
  }

  /** Takes no further job. Resolves when the current one has ended, and native contexts are given back. */
  stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopping ??= (async () => {
      await this.#running;
      this.#runner.close();
    })();
    return this.#stopping;
  }

  async #run(): Promise<void> {
    const { ring, slots } = this.#options;
    for (;;) {
      await turnOfTheLoop();
      if (this.#isStopped) return;
      const index = ring.takeInline(this.#taken);
      if (index === undefined) return;
      if (this.#taken++ === 0) tellMoment('alone');
      await this.#job(index, slots[index]!);
      if (!this.#leavesBuffers && this.#runner.leavesBuffers) {
        this.#leavesBuffers = true;
        tellMoment('garbage');
      }
      await this.#runner.reclaim();
    }
  }

  async #job(index: number, slot: SlotViews): Promise<void> {
    const { ring, hostThreads, isAwaited, onEnd, onPays } = this.#options;
    if (hostThreads !== undefined && !this.#hostIsOpen) {
      this.#hostIsOpen = true;
      this.#host = HostThreads.open(hostThreads);
    }
    const hasPlace = (await this.#host?.takeSoon()) === true;
    const isStarved = isAwaited();
    const began = { now: monotonicMs(), cpu: processMicros() };
    const isDone = await this.#runner.run(slot);
    // Time that other programs had the processor is no reason for threads: they would get no more of it.
    const took = Math.min(monotonicMs() - began.now, (processMicros() - began.cpu) / 1e3);
    if (hasPlace) this.#host!.give();
    onEnd(index, isDone);
    const bytes = Math.max(slot.job.inputLength, isDone ? slot.job.outputLength : 0);
    if (this.#load.worked(took, bytes, isStarved && ring.backlog > 0) && !this.#pays) {
      this.#pays = true;
      onPays();
    }
  }
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
