// Slots, workers and order put together: a chunk gets its place when it is pushed, any worker may finish it at any
// time, and it is handed out in the order of the pushes. The number of slots bounds what is under way, and waiting for
// a free slot is the back-pressure. The first error in stream order is the one that is reported.
// It knows nothing of what a job does.

import { RamferryError } from '../errors.js';
import { Signal } from '../os/signal.js';
import { STATE } from '../slot/job.js';
import { allocateArena, type SlotGeometry, slotViews, type SlotViews } from '../slot/layout.js';
import { jobError } from '../slot/outcome.js';
import { allocateRing, Ring } from '../slot/ring.js';
import type { WorkerStartUp } from '../slot/start-up.js';
import { type FewerThreads, type GivenThreads, WorkerPool } from './worker-pool.js';

export interface OrderedPoolOptions {
  readonly entry: URL;
  readonly threads: number;
  readonly geometry: SlotGeometry;
  /** What the entry point expects beside the pool's own; entries other than ours may expect more. */
  readonly startUp: Omit<WorkerStartUp, 'arena' | 'geometry' | 'ring'>;
  /** Threads that are there already. */
  readonly crew?: GivenThreads | undefined;
  /**
   * How many slots whoever calls next() can well take at once; default 1. When it has to wait, it then waits for so many
   * rather than for one, which saves wake-ups. At most half of the slots, so that the workers never wait meanwhile.
   */
  readonly atOnce?: number;
  /** Called once, when the host gives fewer threads than were asked for. */
  readonly onFewer?: FewerThreads | undefined;
  /** Looks for the place in the arena where the slots must begin (SlotGeometry.base). */
  readonly place?: (arena: SharedArrayBuffer) => number;
}

export class OrderedPool {
  readonly slots: SlotViews[];
  readonly #ring: Ring;
  readonly #pool: WorkerPool;
  readonly #free: number[];
  readonly #waiting: ((slot: number) => void)[] = [];
  /** Pushed and not yet handed out: place in order → slot. */
  readonly #order = new Map<number, number>();
  #limit = Infinity;
  #nextIn = 0;
  #nextOut = 0;
  /** A push, the end or a failure: next() looks again. */
  readonly #changed = new Signal();
  #ended = false;
  /** What ended the input; reported after everything that was pushed before it. */
  #endError: RamferryError | undefined;
  #failure: RamferryError | undefined;
  #threads: number;
  readonly #atOnce: number;

  /** Pushes that found no free worker, as QEMU's `busy`. */
  busy = 0;

  constructor(options: OrderedPoolOptions) {
    const arena = allocateArena(options.geometry);
    const geometry = { ...options.geometry, base: options.place?.(arena) ?? 0 };
    const ringMemory = allocateRing(geometry.slots);
    this.slots = slotViews(arena, geometry);
    this.#free = this.slots.map((_, index) => index).reverse();
    this.#ring = new Ring(ringMemory);
    this.#threads = options.threads;
    this.#atOnce = options.atOnce ?? 1;
    this.#pool = new WorkerPool({
      entry: options.entry,
      threads: options.threads,
      ring: this.#ring,
      startUp: { ...options.startUp, arena, geometry, ring: ringMemory } satisfies WorkerStartUp,
      given: options.crew,
      onFewer: (threads, reason) => {
        this.#threads = threads;
        options.onFewer?.(threads, reason);
      },
      onFailure: (error) => {
        this.fail(error);
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

  /** Whether a job pushed now would be taken at once. */
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

  /** Resolves with a free slot; this is where back-pressure reaches the reader. */
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
   * Gives the slot its job to the workers and its place in order: the next one, or the one given (each place once,
   * and never so far ahead that the slots of the places before it are missing).
   */
  push(slot: number, place = this.#nextIn): void {
    if (!this.hasFreeWorker) this.busy++;
    this.slots[slot]!.job.state = STATE.queued;
    this.#order.set(place, slot);
    this.#nextIn = Math.max(this.#nextIn, place + 1);
    this.#ring.push(slot);
    this.#pool.grow();
    this.#changed.notify();
  }

  /** The same for a slot whose output is complete already: no worker sees it. */
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

  /** Stops everything now: acquire() and next() reject with this error from here on. The first one counts. */
  fail(error: RamferryError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
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
      const awaited = this.#lastAtWork();
      this.#ring.await(awaited);
      // One that was done before the ring knew that we wait for it wakes nobody.
      if (this.#state(awaited) === STATE.queued) await this.#ring.changed(seen);
    }
  }

  /** Of the slots that can be taken at once, the last whose job is not done; the next one, which is not, at least. */
  #lastAtWork(): number {
    for (let place = Math.min(this.#nextOut + this.#atOnce, this.#nextIn) - 1; ; place--) {
      const slot = this.#order.get(place);
      if (slot !== undefined && (place === this.#nextOut || this.#state(slot) === STATE.queued)) return slot;
    }
  }

  /** The next slot in order if its job is done now; whatever is wrong, next() tells. */
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

  /** Slots whose job is not done, oldest first; whether a worker has begun with it is not known. */
  *pending(): Generator<SlotViews> {
    for (const slot of this.#order.values()) {
      if (this.#state(slot) === STATE.queued) yield this.slots[slot]!;
    }
  }

  /** Ends the threads; safe at any time. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
