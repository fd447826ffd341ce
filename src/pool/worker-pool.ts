// Threads of one transfer: a ThreadGroup owns them, the ring in shared memory feeds them.
// Each thread runs one task for the whole transfer, a loop over the ring. The pool starts tasks as the backlog grows, up to the
// limit. A thread that dies, or a task that throws outside a job or ends early, fails the pool once, with a named error.
// It knows nothing of chunks.

import { RamferryError, toRamferryError } from '../errors.js';
import type { Ring } from '../slot/ring.js';
import type { WorkerStartUp } from '../slot/start-up.js';
import { ThreadGroup } from './thread-group.js';

/** Threads that run already. */
export type GivenThreads = OwnThreads | LeasedThreads;

/** Threads for this transfer alone. */
export interface OwnThreads {
  readonly group: ThreadGroup;
  /** Whether the threads go on behind the pool: then it does not end them. */
  readonly borrowed: boolean;
}

/** Threads and memory that several transfers share (thread-host.ts). */
export interface LeasedThreads {
  /** Memory for slots, all zero. It must not be touched after the pool was closed. */
  arena(bytes: number): SharedArrayBuffer;
  /** What wakes the threads. */
  readonly bell: SharedArrayBuffer;
  attach(transfer: Attachment): Workers;
}

/** A transfer at shared threads. */
export interface Attachment {
  readonly entry: URL;
  readonly ring: Ring;
  readonly startUp: WorkerStartUp;
  /** Called at most once. */
  readonly onFailure: (error: RamferryError) => void;
}

/** What a pool needs of its threads. */
export interface Workers {
  readonly started: number;
  /** For tests that kill one. */
  readonly threads: ThreadGroup['threads'];
  /** Call after pushing a job. */
  grow(): void;
  /** Ends the work; resolves when no thread touches the transfer's memory any more. Safe at any time. */
  close(): Promise<void>;
}

/** @param threads that the transfer has */
export type FewerThreads = (threads: number, reason: RamferryError) => void;

export interface WorkerPoolOptions {
  readonly entry: URL;
  readonly threads: number;
  readonly ring: Ring;
  /** What each thread is told; holds the memory of `ring`. */
  readonly startUp: WorkerStartUp;
  /** Instead of threads of its own; they run the same entry point. */
  readonly given?: OwnThreads | undefined;
  /** The caller runs the jobs itself while there is no thread: the transfer goes on where the host gives none. */
  readonly canDoWithout?: boolean;
  /** Called once, when the host gives fewer threads than were asked for. */
  readonly onFewer?: FewerThreads | undefined;
  /** Called at most once. */
  readonly onFailure: (error: RamferryError) => void;
}

export class WorkerPool implements Workers {
  readonly #options: WorkerPoolOptions;
  #group: ThreadGroup | undefined;
  #forget: () => void = () => undefined;
  readonly #tasks: Promise<void>[] = [];
  #stopping = false;
  /** The host gives no further thread. */
  #refused = false;
  #failed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    if (options.given !== undefined) this.#use(options.given.group);
  }

  /** The threads' group: made when the first thread is needed. */
  #threads(): ThreadGroup {
    const { entry, threads, startUp } = this.#options;
    return this.#group ?? this.#use(new ThreadGroup({ entry, threads, hostThreads: startUp.hostThreads }));
  }

  #use(group: ThreadGroup): ThreadGroup {
    this.#group = group;
    this.#forget = group.onDeath((error) => this.#fail(error));
    return group;
  }

  get started(): number {
    return this.#tasks.length;
  }

  /** For tests that kill one. */
  get threads(): ThreadGroup['threads'] {
    return this.#group?.threads ?? [];
  }

  /** Call after pushing a job: starts one more task when jobs wait and no worker does. */
  grow(): void {
    const { ring, threads } = this.#options;
    if (this.started >= threads || this.#stopping || this.#refused) return;
    if (ring.backlog > 0 && ring.sleeping === 0) this.#start();
  }

  #start(): void {
    const { startUp, ring, threads, canDoWithout } = this.#options;
    let group: ThreadGroup;
    try {
      group = this.#threads();
    } catch (thrown) {
      // The installation lacks a package. Callers push jobs and expect no exception: failures come through onFailure.
      this.#fail(toRamferryError(thrown));
      return;
    }
    const running = group.work(startUp, () => ring.stop());
    if (running === undefined) {
      // With one thread the transfer goes on: slower, but complete.
      const { refusal } = group;
      this.#refused = true;
      if (this.started === 0 && canDoWithout !== true) this.#fail(refusal!);
      else if (threads > 1) this.#options.onFewer?.(Math.max(1, this.started), refusal!);
      return;
    }
    const task = running.then(() => {
      this.#fail(new RamferryError('ERR_WORKER_DIED', 'a worker thread ended early'));
    });
    this.#tasks.push(task);
    group.tellLoaded(this.#borrowed);
  }

  #fail(error: RamferryError): void {
    if (this.#failed || this.#stopping) return;
    this.#failed = true;
    this.#options.onFailure(error);
    // Wakes the main thread where it waits for a job.
    this.#options.ring.finish();
  }

  get #borrowed(): boolean {
    return this.#options.given?.borrowed === true;
  }

  /** Ends the threads, each after its current job. Borrowed threads only end their tasks. */
  async close(): Promise<void> {
    this.#stopping = true;
    this.#options.ring.stop();
    if (this.#borrowed) await Promise.all(this.#tasks);
    else await this.#group?.close();
    this.#forget();
  }
}
