// The queue between the main thread and its workers, in shared memory. The main thread pushes slot numbers; any worker takes
// the oldest, does the job in place and reports it. No message is posted per chunk: a round trip through a message port costs
// 30 to 60 µs, as much as the limit for all overhead of a chunk; a futex wake costs about 5.
// The ring promises first-in first-out order, and that no thread misses a wake-up. It does not know what a job is.

const PUSHED = 0;
const TAKEN = 1;
const FINISHED = 2;
/** Incremented whenever a sleeping worker has a reason to look again. */
export const SIGNAL = 3;
export const STOPPED = 4;
const SLEEPING = 5;
/** The slot that the main thread waits for. */
const AWAITED = 6;
/** Threads of several transfers that look into this ring or work at one of its jobs. */
const USERS = 7;
/** Position of the transfer in the order of threads that serve several (fair-order.ts). */
const POSITION = 8;
const QUEUE = 9;

/** Stands for a slot's number: any slot. */
const ANY = -1;

/** 32-bit words of a ring. */
export function ringWords(capacity: number): number {
  return QUEUE + capacity;
}

/** Gives sleeping workers a reason to look again. @param words of a ring or a bell @param most workers to wake; absent = all */
export function wakeWorkers(words: Int32Array, most?: number): void {
  Atomics.add(words, SIGNAL, 1);
  Atomics.notify(words, SIGNAL, most);
}

/** Sleeps until the signal changes; not at all when it is no longer `seen`, which was read before looking for work. */
export function sleepWorker(words: Int32Array, seen: number): void {
  Atomics.add(words, SLEEPING, 1);
  Atomics.wait(words, SIGNAL, seen);
  Atomics.sub(words, SLEEPING, 1);
}

export function allocateRing(capacity: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(ringWords(capacity) * 4);
  new Int32Array(memory)[AWAITED] = ANY;
  return memory;
}

export class Ring {
  readonly #words: Int32Array;
  /** Where workers sleep: this ring, or what several rings share. */
  readonly #bell: Int32Array;
  readonly #capacity: number;

  /** @param bell what wakes the workers in place of this ring, where they serve several (bell.ts) */
  constructor(
    readonly memory: SharedArrayBuffer,
    bell = memory,
  ) {
    this.#words = new Int32Array(memory);
    this.#bell = new Int32Array(bell);
    this.#capacity = this.#words.length - QUEUE;
  }

  // --- the main thread's side ---

  /** Queues a job. The caller has at most `capacity` jobs under way, one per slot, so there is always room. */
  push(slot: number): void {
    const words = this.#words;
    const at = Atomics.load(words, PUSHED);
    Atomics.store(words, QUEUE + (at % this.#capacity), slot);
    Atomics.store(words, PUSHED, at + 1);
    wakeWorkers(this.#bell, 1);
  }

  /**
   * Takes the oldest job for the main thread, without sleeping.
   * A job may need the jobs before it (turns.ts), and the main thread must not wait for a thread that may die: so it gets none once a
   * worker has taken one or waits for one.
   * @param taken how many jobs the main thread has taken
   */
  takeInline(taken: number): number | undefined {
    const words = this.#words;
    if (this.hasWorker(taken) || Atomics.load(words, PUSHED) === taken) return undefined;
    const slot = Atomics.load(words, QUEUE + (taken % this.#capacity));
    return Atomics.compareExchange(words, TAKEN, taken, taken + 1) === taken ? slot : undefined;
  }

  /** Whether a worker has taken a job or waits for one, beside the jobs that the main thread has taken. */
  hasWorker(taken: number): boolean {
    return this.sleeping > 0 || Atomics.load(this.#words, TAKEN) !== taken;
  }

  /** Jobs that were pushed and that no worker has taken yet. */
  get backlog(): number {
    return Atomics.load(this.#words, PUSHED) - Atomics.load(this.#words, TAKEN);
  }

  /** Whether a worker gets a job now. */
  get hasJob(): boolean {
    return this.backlog > 0 && Atomics.load(this.#words, STOPPED) === 0;
  }

  /** Workers that wait for a job. */
  get sleeping(): number {
    return Atomics.load(this.#bell, SLEEPING);
  }

  /** How many jobs have been finished so far; pass it to {@link changed}. */
  get finished(): number {
    return Atomics.load(this.#words, FINISHED);
  }

  /**
   * From now on only this slot's job wakes the waiter in {@link changed}: a wake-up costs the main thread as much as the
   * rest of its work for a chunk. Order: read `finished`, call await(), then check whether the slot's job is done.
   */
  await(slot: number): void {
    Atomics.store(this.#words, AWAITED, slot);
  }

  /** Resolves as soon as `finished` differs from what the caller has seen. */
  changed(seen: number): Promise<unknown> | undefined {
    const result = Atomics.waitAsync(this.#words, FINISHED, seen);
    return result.async ? result.value : undefined;
  }

  /** Ends every worker's loop; a worker with a job finishes it first. Also wakes the main thread. */
  stop(): void {
    Atomics.store(this.#words, STOPPED, 1);
    wakeWorkers(this.#bell);
    this.finish();
  }

  /** Resolves when no thread uses a stopped ring. Its jobs' memory may then serve another transfer. */
  async unused(): Promise<void> {
    for (;;) {
      const users = Atomics.load(this.#words, USERS);
      if (users <= 0) return;
      const result = Atomics.waitAsync(this.#words, USERS, users);
      if (result.async) await result.value;
    }
  }

  // --- a worker's side ---

  /** Takes the oldest job, sleeping until there is one; undefined when the ring has been stopped. */
  take(): number | undefined {
    const words = this.#words;
    for (;;) {
      // Read before looking: a push between the look and the sleep changes it, and the wait returns at once.
      const signal = Atomics.load(words, SIGNAL);
      if (Atomics.load(words, STOPPED) !== 0) return undefined;
      const slot = this.takeNow();
      if (slot !== undefined) return slot;
      sleepWorker(words, signal);
    }
  }

  /** Takes the oldest job if there is one and the ring has not been stopped. */
  takeNow(): number | undefined {
    const words = this.#words;
    for (;;) {
      const next = Atomics.load(words, TAKEN);
      if (next >= Atomics.load(words, PUSHED) || Atomics.load(words, STOPPED) !== 0) return undefined;
      const slot = Atomics.load(words, QUEUE + (next % this.#capacity));
      if (Atomics.compareExchange(words, TAKEN, next, next + 1) === next) return slot;
    }
  }

  /** Where the transfer stands in the order of those that share threads (fair-order.ts). */
  get position(): number {
    return Atomics.load(this.#words, POSITION);
  }

  /** Sets where a transfer stands that begins. */
  set position(position: number) {
    Atomics.store(this.#words, POSITION, position);
  }

  /** Moves the position on by a chunk. @param from the position before it, of which some credit may have lapsed @param seen what `position` was */
  advance(seen: number, from: number, steps: number): void {
    const words = this.#words;
    // Another thread may have moved it meanwhile; then the lapse has been counted.
    if (from !== seen) Atomics.compareExchange(words, POSITION, seen, from);
    Atomics.add(words, POSITION, steps);
  }

  /** A thread of several transfers calls it before takeNow(), and leave() when it touches nothing of the ring's jobs any more. */
  enter(): void {
    Atomics.add(this.#words, USERS, 1);
  }

  leave(): void {
    if (Atomics.sub(this.#words, USERS, 1) === 1) Atomics.notify(this.#words, USERS);
  }

  /** Reports that this slot's job is done; its state was stored before. Without a slot, wakes the main thread in any case. */
  finish(slot = ANY): void {
    const words = this.#words;
    Atomics.add(words, FINISHED, 1);
    const awaited = Atomics.load(words, AWAITED);
    if (slot === ANY || awaited === ANY || slot === awaited) Atomics.notify(words, FINISHED);
  }
}
