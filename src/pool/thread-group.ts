// The threads of a transfer: piscina starts them, this file watches and ends them. They run one program, and each task names its
// transfer, so threads may run before their transfer is known. The death of a thread, or its lack of memory, is reported once,
// with a named error. The file knows nothing of the ring and of chunks.

import { createRequire } from 'node:module';
import type { MessagePort } from 'node:worker_threads';

import type { Piscina } from 'piscina';

import { fromErrorData, isErrorCode, RamferryError } from '../errors.js';
import { withDeadline } from '../os/time/deadline.js';
import type { ThreadStartUp } from '../slot/start-up.js';
import { tellMoment } from './loaded.js';

/**
 * Most heap of one thread, in MiB: twenty times what a thread needs, since chunks lie outside the heap. A leak then ends in a
 * named error, and not in a host without memory.
 */
const THREAD_HEAP_MIB = 256;

/**
 * How long a thread may take to end its task when it is asked to, counted while this process runs. Every job ends much sooner,
 * and so does the loading of a codec's module: a thread that takes longer hangs.
 */
const PATIENCE_MS = 3000;

export interface ThreadGroupOptions extends ThreadStartUp {
  /** The program: its default export takes what {@link ThreadGroup.work} is given, `started` does nothing. */
  readonly entry: URL;
  /** Most threads. They start as tasks come. */
  readonly threads: number;
  /** All threads start at once instead. */
  readonly atOnce?: boolean;
}

/** The task that does nothing: a thread that runs it has started. Every program exports it. */
const WARM_UP = 'started';

/** Loaded with the first group: most transfers need no threads. */
const loadPiscina = (): typeof Piscina =>
  (createRequire(import.meta.url)('piscina') as { Piscina: typeof Piscina }).Piscina;

type PiscinaOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]>;
type Task = Parameters<NonNullable<PiscinaOptions['taskQueue']>['push']>[0];

/** Tasks that wait for a thread. */
class TaskQueue {
  readonly #tasks: Task[] = [];
  #latest: Task | undefined;

  get size(): number {
    return this.#tasks.length;
  }

  push(task: Task): void {
    this.#latest = task;
    this.#tasks.push(task);
  }

  unshift(task: Task): void {
    this.#latest = task;
    this.#tasks.unshift(task);
  }

  shift(): Task | null {
    return this.#tasks.shift() ?? null;
  }

  remove(task: Task): void {
    const at = this.#tasks.indexOf(task);
    if (at >= 0) this.#tasks.splice(at, 1);
  }

  /** Removes the task that came last: piscina queued it and then failed to start a thread, so nothing awaits it. */
  withdraw(): void {
    if (this.#latest !== undefined) this.remove(this.#latest);
  }
}

export class ThreadGroup {
  readonly #piscina: Piscina;
  readonly #most: number;
  readonly #queue = new TaskQueue();
  readonly #watched = new WeakSet<object>();
  /** For each thread: settles when it has loaded its modules, or has died before. */
  readonly #loaded: Promise<void>[] = [];
  /** Tasks that have not ended → asks the task to end. */
  readonly #tasks = new Map<Promise<void>, () => void>();
  readonly #listeners = new Set<(error: RamferryError) => void>();
  #death: RamferryError | undefined;
  /** Why the host gave no further thread. */
  #refusal: RamferryError | undefined;
  #ending: Promise<void> | undefined;

  constructor({ entry, threads, atOnce = false, hostThreads }: ThreadGroupOptions) {
    this.#most = threads;
    this.#piscina = new (loadPiscina())({
      filename: entry.href,
      // A constructor that throws would lose the threads that it has started: it starts none.
      minThreads: 0,
      maxThreads: threads,
      taskQueue: this.#queue,
      // A task that found no thread stays first in the queue.
      stricterFIFO: true,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: 1,
      // The loop inside the task sleeps on the ring. Between tasks piscina must not block the thread, or finalizers of
      // buffers that a codec returned would never run.
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MIB },
      workerData: { hostThreads } satisfies ThreadStartUp,
    });
    // Errors of a thread that has no task yet: without a listener they would end the whole process.
    this.#piscina.on('error', (thrown: unknown) => this.#died(thrown));
    if (atOnce)
      for (let thread = 0; thread < threads; thread++) void this.work(undefined, () => undefined, WARM_UP);
  }

  /** Why the host gave no further thread; undefined while it gives them. */
  get refusal(): RamferryError | undefined {
    return this.#refusal;
  }

  /** For tests that kill one. */
  get threads(): Piscina['threads'] {
    return this.#piscina.threads;
  }

  /**
   * Calls the listener at the first death of a thread; at once if there was one.
   * @returns removes the listener
   */
  onDeath(listener: (error: RamferryError) => void): () => void {
    this.#listeners.add(listener);
    if (this.#death !== undefined) listener(this.#death);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Runs a task in a thread without one; starts a further thread where the limit allows it.
   * @param stop makes the task end soon, through shared memory; close() calls it, also before the task has begun
   * @param name of the program's function; its default export by default
   * @param ports of the task, which move to the thread
   * @returns settles when the task has ended, also by an error; undefined when the host gives no thread for it
   */
  work(task: unknown, stop: () => void, name?: string, ports: MessagePort[] = []): Promise<void> | undefined {
    const begun = this.#begin(task, name, ports);
    if (begun === undefined) return undefined;
    const running = begun.catch((thrown: unknown) => this.#died(thrown));
    this.#tasks.set(running, stop);
    void running.then(() => this.#tasks.delete(running));
    this.#watchThreads();
    return running;
  }

  #begin(task: unknown, name: string | undefined, ports: MessagePort[]): Promise<void> | undefined {
    const piscina = this.#piscina;
    const alive = piscina.threads.length;
    // A task keeps its thread: without a further thread this task would wait for ever.
    if (this.#refusal !== undefined && this.#tasks.size >= alive) return undefined;
    const run = (): Promise<void> =>
      piscina.run(task, { transferList: ports, ...(name === undefined ? {} : { name }) }) as Promise<void>;
    try {
      if (this.#refusal === undefined && alive < this.#most) tellMoment('starting');
      this.#allow(this.#refusal === undefined ? Math.min(this.#most, alive + 1) : alive);
      return run();
    } catch (thrown) {
      this.#queue.withdraw();
      this.#refusal ??= describeDeath(thrown);
      // A thread without a task may still be loading its modules.
      return this.#tasks.size >= alive ? undefined : Promise.all(this.#loaded).then(run);
    } finally {
      this.#allow(piscina.threads.length);
    }
  }

  /** piscina also starts threads in event handlers, where an exception ends the process: only #begin() may start threads. */
  #allow(threads: number): void {
    (this.#piscina.options as { maxThreads: number }).maxThreads = threads;
  }

  /** Tells the program that owns the process when all threads have loaded their modules (loaded.ts). */
  tellLoaded(warmUp: boolean): void {
    const so = this.#loaded.length;
    void Promise.all(this.#loaded).then(() => {
      // Unless another thread has been started meanwhile: then that one's turn comes.
      if (so === this.#loaded.length) tellMoment(warmUp ? 'warm-up' : 'loaded');
    });
  }

  /**
   * Ends the threads: each finishes its job first, and is terminated when it has no task. Safe at any time, also twice.
   * A thread that hangs is terminated after PATIENCE_MS.
   */
  close(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    // A thread that is terminated while it loads code can end the whole process. While Node links modules:
    // "FATAL ERROR: v8::Module::IsGraphAsync must be used on an instantiated module" (Node 20.20). While koffi loads or
    // defines a function, which a task does when it first needs one: "FATAL ERROR: Error::ThrowAsJavaScriptException
    // napi_throw" (koffi 3.3.4). Calls of functions that are loaded already survived 100 of 100 terminations.
    for (const stop of this.#tasks.values()) stop();
    await this.#allLoaded();
    await this.#tasksLeft();
    await this.#allLoaded();
    await this.#piscina.destroy();
    await Promise.all(this.#tasks.keys());
  }

  /** Includes threads that piscina has started in place of one that died. */
  async #allLoaded(): Promise<void> {
    for (let so = -1; so !== this.#loaded.length;) {
      so = this.#loaded.length;
      await Promise.all(this.#loaded);
    }
  }

  /** Waits until every task that has a thread is over, at most PATIENCE_MS. */
  async #tasksLeft(): Promise<void> {
    await withDeadline(this.#tasksOver(), PATIENCE_MS, () => undefined);
  }

  async #tasksOver(): Promise<void> {
    // A task that piscina still queues has no thread and will get none.
    while (this.#tasks.size > this.#piscina.queueSize) await Promise.race(this.#tasks.keys());
  }

  /** When the thread that was started for a task dies before it is ready, piscina keeps the task for the next thread. */
  #watchThreads(): void {
    for (const thread of this.#piscina.threads) {
      if (this.#watched.has(thread)) continue;
      this.#watched.add(thread);
      // The thread's own error comes before its exit, and piscina's error later.
      thread.once('error', (thrown: unknown) => this.#threadEnded(thrown));
      thread.once('exit', (status) => this.#threadEnded(new Error(`exit status ${status}`)));
      this.#loaded.push(
        new Promise((resolve) => {
          // The first message from a thread is piscina's report that it is ready.
          for (const event of ['message', 'exit'] as const) thread.once(event, () => resolve());
        }),
      );
    }
  }

  #threadEnded(reason: unknown): void {
    // piscina may have started another thread in its place already.
    this.#watchThreads();
    this.#died(reason);
  }

  #died(thrown: unknown): void {
    if (this.#ending !== undefined || this.#death !== undefined) return;
    this.#death = describeDeath(thrown);
    for (const listener of this.#listeners) listener(this.#death);
  }
}

function describeDeath(thrown: unknown): RamferryError {
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : String(thrown);
  // The code is Node's; the message and the hint are ramferry's.
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new RamferryError('ERR_WORKER_OUT_OF_MEMORY', 'a worker thread ran out of memory', {
      cause: thrown,
      hint: 'use a smaller --chunk-size or a lower --compress-level',
    });
  }
  if (code === 'ERR_WORKER_INIT_FAILED') {
    return new RamferryError('ERR_RESOURCE_LIMIT', `the host gives no further thread: ${text}`, {
      cause: thrown,
      hint: 'allow more threads (ulimit -u, pids.max, TasksMax), open files (ulimit -n) or memory, or use fewer threads',
    });
  }
  if (isErrorCode(code)) return fromErrorData({ code, message: text });
  return new RamferryError('ERR_WORKER_DIED', `a worker thread died: ${text}`, { cause: thrown });
}
