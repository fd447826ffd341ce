// Slots, workers and order together. A chunk gets its place in the order when it is pushed, any worker may finish it at any
// time, and the pool hands chunks out in order. The number of slots bounds the chunks under way; the wait for a free slot is
// the back-pressure. The pool reports the first error in stream order. It knows nothing of what a job does.
// With `inline` the calling thread runs the jobs itself until threads pay (inline-load.ts).

import { RamferryError } from '../errors.js';
import { Signal } from '../os/signal.js';
import { STATE } from '../slot/job.js';
import type { JobWorker } from '../slot/job-worker.js';
import { allocateArena, arenaBytes, type SlotGeometry, slotViews, type SlotViews } from '../slot/layout.js';
import { jobError } from '../slot/outcome.js';
import { allocateRing, Ring } from '../slot/ring.js';
import type { WorkerStartUp } from '../slot/start-up.js';
import { InlineWorker } from './inline-worker.js';
import {
  type Attachment,
  type FewerThreads,
  type GivenThreads,
  type OwnThreads,
  WorkerPool,
  type Workers,
} from './worker-pool.js';

export interface OrderedPoolOptions {
  readonly entry: URL;
  readonly threads: number;
  readonly geometry: SlotGeometry;
  /** What the entry point is told beside the pool's own memory; entry points of tests may expect more. */
  readonly startUp: Omit<WorkerStartUp, 'arena' | 'geometry' | 'ring'>;
  /** Threads that run already. */
  readonly given?: GivenThreads | undefined;
  /**
   * How many slots the caller of next() can use at once; default 1. A next() that has to wait then waits for so many rather
   * than for one, which saves wake-ups. At most half of the slots, so that the workers have free slots meanwhile.
   */
  readonly atOnce?: number;
  /**
   * Makes what runs the jobs on the calling thread until threads pay; absent = threads run all jobs. Threads that are given run
   * already, so they run all jobs, too.
   */
  readonly inline?: ((startUp: WorkerStartUp) => JobWorker) | undefined;
  /** Called once, when the host gives fewer threads than were asked for. */
  readonly onFewer?: FewerThreads | undefined;
  /** Looks for the place in the arena where the slots must begin (SlotGeometry.base). */
  readonly place?: (arena: SharedArrayBuffer) => number;
}

export class OrderedPool {
  readonly slots: SlotViews[];
  readonly #ring: Ring;
  readonly #pool: Workers;
  readonly #free: number[];
  readonly #waiting: ((slot: number) => void)[] = [];
  /** Pushed and not yet handed out: place in the order → slot. */
  readonly #order = new Map<number, number>();
  #limit = Infinity;
  #nextIn = 0;
  #nextOut = 0;
  /** A push, the end or a failure: next() looks again. */
  readonly #changed = new Signal();
  #ended = false;
  /** What ended the input; reported after everything that was pushed before. */
  #endError: RamferryError | undefined;
  #failure: RamferryError | undefined;
  #threads: number;
  readonly #atOnce: number;
  /** The calling thread as a worker. */
  readonly #inline: InlineWorker | undefined;
  /** A job of the calling thread has ended, or threads are to run the jobs. */
  readonly #inlineEnd = new Signal();
  /** The slot that next() waits for; undefined while the caller does not wait for a job. */
  #awaited: number | undefined;

  /** Pushes that found no free worker, as QEMU's `busy`. */
  busy = 0;

  constructor(options: OrderedPoolOptions) {
    const { given } = options;
    const leased = given !== undefined && 'attach' in given ? given : undefined;
    const arena = leased?.arena(arenaBytes(options.geometry)) ?? allocateArena(options.geometry);
    const geometry = { ...options.geometry, base: options.place?.(arena) ?? 0 };
    const ringMemory = allocateRing(geometry.slots);
    this.slots = slotViews(arena, geometry);
    this.#free = this.slots.map((_, index) => index).reverse();
    this.#ring = new Ring(ringMemory, leased?.bell);
    this.#threads = options.threads;
    this.#atOnce = options.atOnce ?? 1;
    const startUp = { ...options.startUp, arena, geometry, ring: ringMemory } satisfies WorkerStartUp;
    if (options.inline !== undefined && given === undefined) {
      this.#inline = this.#openInline(options.inline(startUp), startUp);
    }
    const onFailure = (error: RamferryError): void => this.fail(error);
    const work = { entry: options.entry, ring: this.#ring, startUp, onFailure };
    this.#pool = leased?.attach(work) ?? this.#ownThreads(work, options);
  }

  #ownThreads(work: Attachment, { threads, given, onFewer }: OrderedPoolOptions): WorkerPool {
    return new WorkerPool({
      ...work,
      threads,
      given: given as OwnThreads | undefined,
      canDoWithout: this.#inline !== undefined,
      onFewer: (threads, reason) => {
        this.#threads = threads;
        onFewer?.(threads, reason);
      },
    });
  }

  #openInline(worker: JobWorker, { hostThreads }: WorkerStartUp): InlineWorker {
    return new InlineWorker({
      ring: this.#ring,
      slots: this.slots,
      worker,
      hostThreads,
      isAwaited: () => this.#awaited !== undefined,
      onEnd: (slot, isDone) => {
        this.#ring.finish(isDone ? slot : undefined);
        if (!isDone || slot === this.#awaited) this.#inlineEnd.notify();
      },
      onPays: () => {
        if (this.#failure === undefined && !this.#ended) this.#pool.grow();
        // next() may have to wait for threads from now on.
        this.#inlineEnd.notify();
      },
    });
  }

  /** For tests that kill a worker. */
  get threads(): WorkerPool['threads'] {
    return this.#pool.threads;
  }

  /** Chunks that were pushed and not yet handed out. */
  get underWay(): number {
    return this.#order.size;
  }

  /** Whether a chunk pushed now would wait behind another for a worker. */
  get hasBacklog(): boolean {
    return this.#ring.backlog > 0;
  }

  /** Whether a worker would take a job pushed now at once. */
  get hasFreeWorker(): boolean {
    return this.#ring.sleeping > this.#ring.backlog || this.#pool.started < this.#threads;
  }

  /** Chunks that may be under way at once, if fewer than there are slots; at least 1. */
  get limit(): number {
    return this.#limit;
  }

  set limit(chunks: number) {
    this.#limit = chunks;
    this.#serve();
  }

  /** Resolves with a free slot. Here the back-pressure reaches the reader. */
  async acquire(): Promise<number> {
    this.#throwIfFailed();
    const slot = await new Promise<number>((resolve) => {
      this.#waiting.push(resolve);
      this.#serve();
    });
    this.#throwIfFailed();
    return slot;
  }

  #serve(): void {
    while (this.#waiting.length > 0 && this.#free.length > 0 && this.underWay < this.#limit) {
      this.#waiting.shift()!(this.#free.pop()!);
    }
  }

  /** The lowest place that has not been handed out. */
  get position(): number {
    return this.#nextOut;
  }

  /**
   * Queues the slot's job for the workers and gives it a place in the order: the next one, or `place` (each place once, and
   * never so far ahead that the places before it find no slot).
   */
  push(slot: number, place = this.#nextIn): void {
    if (!this.hasFreeWorker) this.busy++;
    this.slots[slot]!.job.state = STATE.queued;
    this.#order.set(place, slot);
    this.#nextIn = Math.max(this.#nextIn, place + 1);
    this.#ring.push(slot);
    this.#inline?.wake();
    if (this.#inline === undefined || this.#inline.pays) this.#pool.grow();
    this.#changed.notify();
  }

  /** The same for a slot whose output is complete already: no worker takes it. */
  pushDone(slot: number): void {
    this.slots[slot]!.job.state = STATE.done;
    this.#order.set(this.#nextIn++, slot);
    this.#changed.notify();
  }

  /** No more pushes; an error is reported by next() after everything that was pushed. */
  end(error?: RamferryError): void {
    this.#ended = true;
    this.#endError = error;
    this.#changed.notify();
  }

  /** From here on acquire() and next() reject with this error. The first call counts. */
  fail(error: RamferryError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    void this.#inline?.stop();
    this.#inlineEnd.notify();
    this.#ring.finish();
    for (const resolve of this.#waiting.splice(0)) resolve(-1);
    this.#changed.notify();
  }

  /**
   * The next slot in order as soon as its job is done; undefined after end(). The slot stays the caller's until
   * release().
   */
  async next(): Promise<number | undefined> {
    for (;;) {
      this.#throwIfFailed();
      const slot = this.#order.get(this.#nextOut);
      if (slot === undefined) {
        if (this.#endError !== undefined) throw this.#endError;
        if (this.#ended) return undefined;
        await this.#changed.wait();
        continue;
      }
      const seen = this.#ring.finished;
      const state = this.#state(slot);
      if (state === STATE.done) return this.#handOut(slot);
      if (state === STATE.failed) throw jobError(this.slots[slot]!);
      const awaited = (this.#awaited = this.#lastAtWork());
      this.#ring.await(awaited);
      // A job that was done before the ring knew of this wait does not wake it.
      if (this.#state(awaited) === STATE.queued) await this.#jobEnd(seen);
      this.#awaited = undefined;
    }
  }

  /** Waits for the awaited job. While no thread is started, a wait through shared memory would cost system calls for nothing. */
  #jobEnd(seen: number): Promise<unknown> | undefined {
    const alone = this.#inline !== undefined && this.#pool.started === 0;
    return alone ? this.#inlineEnd.wait() : this.#ring.changed(seen);
  }

  /** Of the slots that the caller can use at once, the last whose job is not done; at least the next one. */
  #lastAtWork(): number {
    for (let place = Math.min(this.#nextOut + this.#atOnce, this.#nextIn) - 1; ; place--) {
      const slot = this.#order.get(place);
      if (slot !== undefined && (place === this.#nextOut || this.#state(slot) === STATE.queued)) return slot;
    }
  }

  /** The next slot in order if its job is done now. Errors are left to next(). */
  nextNow(): number | undefined {
    const slot = this.#order.get(this.#nextOut);
    return slot !== undefined && this.#state(slot) === STATE.done ? this.#handOut(slot) : undefined;
  }

  #handOut(slot: number): number {
    this.#order.delete(this.#nextOut++);
    return slot;
  }

  #state(slot: number): number {
    return this.slots[slot]!.job.state;
  }

  release(slot: number): void {
    this.#free.push(slot);
    this.#serve();
  }

  /** Slots whose job is not done, oldest first. A worker may have begun with it. */
  *pending(): Generator<SlotViews> {
    for (const slot of this.#order.values()) {
      if (this.#state(slot) === STATE.queued) yield this.slots[slot]!;
    }
  }

  /** Ends the threads; the calling thread's job ends first. Safe at any time. */
  async close(): Promise<void> {
    await Promise.all([this.#inline?.stop(), this.#pool.close()]);
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
