// The threads of a transfer: piscina gives them, this file watches them and ends them. They run one program and learn with
// each task for which transfer; so they may be there before anybody knows what it will be. A thread that dies or runs out
// of memory is told once, with a named error. It knows nothing of the ring and of chunks.

import { Piscina } from 'piscina';

import { fromErrorData, isErrorCode, RamferryError } from '../errors.js';
import type { ThreadStartUp } from '../slot/start-up.js';
import { compileLater } from './compile-later.js';

/**
 * Most heap of one thread, in MiB: twenty times what any of them needs, since chunks lie outside it. A leak of ours ends
 * in an error with a name then, and not in a host without memory.
 */
const THREAD_HEAP_MIB = 256;

export interface CrewOptions extends ThreadStartUp {
  /** The program; its default export takes what {@link Crew.work} is given. */
  readonly entry: URL;
  /** Most threads; they start as there are tasks. */
  readonly threads: number;
  /** All of them start at once instead. */
  readonly atOnce?: boolean;
}

export class Crew {
  readonly #piscina: Piscina;
  readonly #watched = new WeakSet<object>();
  /** For each thread: settles when it has loaded its modules, or died trying. */
  readonly #loaded: Promise<void>[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #listeners = new Set<(error: RamferryError) => void>();
  #death: RamferryError | undefined;
  #ending: Promise<void> | undefined;

  constructor({ entry, threads, atOnce = false, hostThreads }: CrewOptions) {
    this.#piscina = new Piscina({
      filename: entry.href,
      minThreads: atOnce ? threads : 0,
      maxThreads: threads,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: 1,
      // The loop inside the task sleeps on the ring; piscina itself must not block the thread between tasks, or
      // finalizers of buffers that a codec returned would never run.
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MIB },
      workerData: { hostThreads } satisfies ThreadStartUp,
    });
    // What happens to a thread that has no task yet: without a listener it would end the whole process.
    this.#piscina.on('error', (thrown: unknown) => this.#died(thrown));
    this.#watchThreads();
  }

  /** For tests that kill one. */
  get threads(): Piscina['threads'] {
    return this.#piscina.threads;
  }

  /**
   * Who is told of the first death of a thread; at once if there was one.
   * @returns undoes it
   */
  onDeath(listener: (error: RamferryError) => void): () => void {
    this.#listeners.add(listener);
    if (this.#death !== undefined) listener(this.#death);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Gives a thread a task, as soon as one has none; starts one more if there may be more.
   * @returns when it has ended, however
   */
  work(task: unknown): Promise<void> {
    const running = (this.#piscina.run(task) as Promise<void>).catch((thrown: unknown) => this.#died(thrown));
    this.#tasks.add(running);
    void running.then(() => this.#tasks.delete(running));
    this.#watchThreads();
    return running;
  }

  /** Has V8 optimise functions later, from when all threads have loaded theirs (compile-later.ts). */
  compileLater(): void {
    const so = this.#loaded.length;
    void Promise.all(this.#loaded).then(() => {
      // Unless another thread has been started meanwhile: then that one's turn comes.
      if (so === this.#loaded.length) compileLater();
    });
  }

  /** Ends the threads; those at work are terminated. Safe at any time, and twice. */
  close(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    // A thread that is terminated while it loads modules can take the whole process with it (Node 20.20: "FATAL ERROR:
    // v8::Module::IsGraphAsync must be used on an instantiated module"). Afterwards it may be terminated at any time.
    await Promise.all(this.#loaded);
    await this.#piscina.destroy();
    await Promise.all(this.#tasks);
  }

  /** piscina keeps a task for the next thread when the one that was started for it dies before it is ready. */
  #watchThreads(): void {
    for (const thread of this.#piscina.threads) {
      if (this.#watched.has(thread)) continue;
      this.#watched.add(thread);
      // Why it died comes before its exit; piscina's own word of it comes later.
      thread.once('error', (thrown: unknown) => this.#died(thrown));
      thread.once('exit', (status) => this.#died(new Error(`exit status ${status}`)));
      this.#loaded.push(
        new Promise((resolve) => {
          // The first message from a thread is piscina's word that it is ready.
          for (const event of ['message', 'exit'] as const) thread.once(event, () => resolve());
        }),
      );
    }
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
