// What worker threads that serve several transfers have in common, in shared memory: the bell that wakes them, the position from
// which a transfer was served last, and at which transfer each thread works. Every ring of these transfers rings this bell in place of
// its own (ring.ts), so that a thread sleeps in one place.

import { ringWords, SIGNAL, sleepWorker, STOPPED, wakeWorkers } from './ring.js';

const CLOCK = ringWords(0);
const THREADS = CLOCK + 1;
/** For each thread: how many messages were posted to it, and the transfer at which it works. */
const WORDS = 2;
const POSTED = 0;
const AT_WORK = 1;

export function allocateBell(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((THREADS + threads * WORDS) * 4);
}

export class Bell {
  readonly #words: Int32Array;

  constructor(readonly memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  // --- the main thread's side ---

  /** Tells a thread that messages wait at its port. */
  announce(thread: number): void {
    Atomics.add(this.#words, THREADS + thread * WORDS + POSTED, 1);
  }

  /** Wakes all threads. */
  ring(): void {
    wakeWorkers(this.#words);
  }

  /** Ends all threads, each after its job. */
  stop(): void {
    Atomics.store(this.#words, STOPPED, 1);
    this.ring();
  }

  /** The transfer at which a thread works; 0 = none. */
  atWork(thread: number): number {
    return Atomics.load(this.#words, THREADS + thread * WORDS + AT_WORK);
  }

  /** Forgets what a thread that has died was doing. */
  clear(thread: number): void {
    this.work(thread, 0);
  }

  // --- a thread's side ---

  get isStopped(): boolean {
    return Atomics.load(this.#words, STOPPED) !== 0;
  }

  /** Read before looking for work; pass it to {@link sleep}. */
  get signal(): number {
    return Atomics.load(this.#words, SIGNAL);
  }

  /** Sleeps until the bell rings; not at all when it has rung since `signal` was read. */
  sleep(signal: number): void {
    sleepWorker(this.#words, signal);
  }

  /** How many messages were posted to a thread. */
  posted(thread: number): number {
    return Atomics.load(this.#words, THREADS + thread * WORDS + POSTED);
  }

  work(thread: number, transfer: number): void {
    Atomics.store(this.#words, THREADS + thread * WORDS + AT_WORK, transfer);
  }

  /**
   * The position from which a transfer was served last (fair-order.ts). It goes back while a transfer catches up: one that begins then
   * begins beside it, and not behind all others.
   */
  get clock(): number {
    return Atomics.load(this.#words, CLOCK);
  }

  set clock(position: number) {
    Atomics.store(this.#words, CLOCK, position);
  }
}
