// Threads for one transfer: piscina gives and watches them, the ring in shared memory feeds them.
// Each thread runs one piscina task for the whole transfer, a loop over the ring. Threads are started as the backlog
// calls for them, up to the limit. A thread that dies, runs out of memory or throws outside a job fails the pool,
// once, with a named error. It knows nothing of chunks.

import { Piscina } from 'piscina';

import { fromErrorData, isErrorCode, RamferryError } from '../errors.js';
import { Ring } from '../slot/ring.js';
import { compileLater } from './compile-later.js';

/**
 * Most heap of one thread, in MiB: twenty times what any of them needs, since chunks lie outside it. A leak of ours ends
 * in an error with a name then, and not in a host without memory.
 */
const THREAD_HEAP_MIB = 256;

export interface WorkerPoolOptions {
  readonly filename: URL;
  readonly threads: number;
  readonly ring: Ring;
  /** Start-up data for each thread; must hold the ring's memory in a form the entry point expects. */
  readonly workerData: unknown;
  /** Called at most once. */
  readonly onFailure: (error: RamferryError) => void;
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #piscina: Piscina;
  readonly #tasks: Promise<void>[] = [];
  readonly #watched = new WeakSet<object>();
  /** For each thread: settles when it has loaded its modules, or died trying. */
  readonly #loaded: Promise<void>[] = [];
  #stopping = false;
  #failed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#piscina = new Piscina({
      filename: options.filename.href,
      minThreads: 0,
      maxThreads: options.threads,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: 1,
      // The loop inside the task sleeps on the ring; piscina itself must not block the thread between tasks, or
      // finalizers of buffers that a codec returned would never run.
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MIB },
      workerData: options.workerData,
    });
    // What happens to a thread that has no task yet: without a listener it would end the whole process.
    this.#piscina.on('error', (thrown: unknown) => {
      if (!this.#stopping) this.#fail(describeDeath(thrown));
    });
  }

  get started(): number {
    return this.#tasks.length;
  }

  /** The threads, for tests that kill one. */
  get threads(): Piscina['threads'] {
    return this.#piscina.threads;
  }

  /** Call after pushing a job: starts one more thread when work is waiting and nobody sleeps. */
  grow(): void {
    const { ring, threads } = this.#options;
    if (this.started >= threads || this.#stopping) return;
    if (ring.backlog > 0 && ring.sleeping === 0) this.#start();
  }

  #start(): void {
    const task = (this.#piscina.run({}) as Promise<void>).then(
      () => {
        if (!this.#stopping) this.#fail(new RamferryError('ERR_WORKER_DIED', 'a worker thread ended early'));
      },
      (thrown: unknown) => {
        if (!this.#stopping) this.#fail(describeDeath(thrown));
      },
    );
    this.#tasks.push(task);
    this.#watchThreads();
  }

  /** piscina keeps a task for the next thread when the one that was started for it dies before it is ready. */
  #watchThreads(): void {
    for (const thread of this.#piscina.threads) {
      if (this.#watched.has(thread)) continue;
      this.#watched.add(thread);
      // Why it died comes before its exit; piscina's own word of it comes later.
      thread.once('error', (thrown: unknown) => {
        if (!this.#stopping) this.#fail(describeDeath(thrown));
      });
      thread.once('exit', (status) => {
        if (!this.#stopping) this.#fail(describeDeath(new Error(`exit status ${status}`)));
      });
      this.#loaded.push(
        new Promise((resolve) => {
          // The first message from a thread is piscina's word that it is ready.
          for (const event of ['message', 'exit'] as const) thread.once(event, () => resolve());
        }),
      );
    }
    const so = this.#loaded.length;
    void Promise.all(this.#loaded).then(() => {
      // Unless another thread has been started meanwhile: then that one's turn comes.
      if (so === this.#loaded.length) compileLater();
    });
  }

  #fail(error: RamferryError): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#options.onFailure(error);
    // Whoever waits for a job to finish must look up.
    this.#options.ring.finish();
  }

  /** Ends the threads; those at work are terminated. */
  async close(): Promise<void> {
    this.#stopping = true;
    this.#options.ring.stop();
    // A thread that is terminated while it loads modules can take the whole process with it (Node 20.20: "FATAL ERROR:
    // v8::Module::IsGraphAsync must be used on an instantiated module"). Afterwards it may be terminated at any time.
    await Promise.all(this.#loaded);
    await this.#piscina.destroy();
    await Promise.allSettled(this.#tasks);
  }
}

function describeDeath(thrown: unknown): RamferryError {
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : String(thrown);
  // Node's name for it is ours too, but not its words.
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new RamferryError('ERR_WORKER_OUT_OF_MEMORY', 'a worker thread ran out of memory', {
      cause: thrown,
      hint: 'use a smaller --chunk-size or a lower --compress-level',
    });
  }
  if (isErrorCode(code)) return fromErrorData({ code, message: text });
  return new RamferryError('ERR_WORKER_DIED', `a worker thread died: ${text}`, { cause: thrown });
}
