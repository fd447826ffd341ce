// The worker thread of a server: takes chunks of several transfers, each time of the one that was served the fewest bytes, and those of one
// transfer in sequence. It keeps its codecs between transfers, and nothing of a transfer behind that transfer's end.

import { setImmediate } from 'node:timers/promises';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

import { Bell } from '../src/slot/bell.js';
import { isBefore, startOf, stepsOf } from '../src/slot/fair-order.js';
import { JobRunner, type JobWorker } from '../src/slot/job-worker.js';
import { slotViews, type SlotViews } from '../src/slot/layout.js';
import { Ring } from '../src/slot/ring.js';
import type { SeatMessage, SharedStartUp, WorkerStartUp } from '../src/slot/start-up.js';
import { CodecCache } from '../src/worker/codec-cache.js';
import { Compressor } from '../src/worker/compressor.js';
import { Decompressor } from '../src/worker/decompressor.js';

/** One transfer at this thread. Its parts are made when its first chunk comes. */
class Seat {
  readonly ring: Ring;
  readonly #begin: Extract<SeatMessage, { readonly begin: number }>;
  readonly #runner: JobRunner;
  #slots: SlotViews[] | undefined;
  #worker: JobWorker | undefined;

  constructor(
    begin: Extract<SeatMessage, { readonly begin: number }>,
    bell: SharedArrayBuffer,
    caches: CodecCaches,
  ) {
    this.#begin = begin;
    const cache = caches.of(begin.startUp);
    this.#runner = new JobRunner({ cache, job: (slot) => (this.#worker ??= this.#open(cache)).job(slot) });
    this.ring = new Ring(begin.startUp.ring, bell);
  }

  /** Bytes of the guest's stream in a slot's chunk. */
  bytes(index: number): number {
    const { encode, decode } = this.#slot(index);
    return this.#begin.work === 'compress' ? encode.inputLength : decode.outputBound;
  }

  async run(index: number): Promise<void> {
    const isDone = await this.#runner.run(this.#slot(index));
    // A failure wakes the main thread at once, whichever slot it waits for.
    this.ring.finish(isDone ? index : undefined);
    await this.#runner.reclaim();
  }

  #slot(index: number): SlotViews {
    const { arena, geometry } = this.#begin.startUp;
    this.#slots ??= slotViews(arena, geometry);
    return this.#slots[index]!;
  }

  #open(cache: CodecCache): JobWorker {
    const { startUp, work } = this.#begin;
    return work === 'compress' ? new Compressor(startUp, cache) : new Decompressor(startUp, cache);
  }
}

/** The codecs of this thread, for all transfers with the same settings. */
class CodecCaches {
  readonly #caches = new Map<string, CodecCache>();

  of(startUp: WorkerStartUp): CodecCache {
    const key = `${startUp.zstdBinding} ${String(startUp.longDistance === true)}`;
    let cache = this.#caches.get(key);
    if (cache === undefined) this.#caches.set(key, (cache = new CodecCache(startUp)));
    return cache;
  }
}

class SharedThread {
  readonly #bell: Bell;
  readonly #port: MessagePort;
  readonly #thread: number;
  readonly #caches = new CodecCaches();
  /** By number, and so in the order in which the transfers began. */
  readonly #seats = new Map<number, Seat>();
  #seen = 0;

  constructor({ bell, port, thread }: SharedStartUp) {
    this.#bell = new Bell(bell);
    this.#port = port;
    this.#thread = thread;
  }

  /** Works until the bell is stopped. */
  async run(): Promise<void> {
    const bell = this.#bell;
    for (;;) {
      const { signal } = bell;
      if (bell.isStopped) return this.#port.close();
      if (bell.posted(this.#thread) !== this.#seen) await this.#hear();
      if (!(await this.#work())) bell.sleep(signal);
    }
  }

  async #hear(): Promise<void> {
    this.#seen = this.#bell.posted(this.#thread);
    let ended = false;
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { readonly message: SeatMessage } | undefined;
      if (received === undefined) break;
      const { message } = received;
      if ('begin' in message) {
        this.#seats.set(message.begin, new Seat(message, this.#bell.memory, this.#caches));
      } else {
        this.#seats.delete(message.end);
        ended = true;
      }
    }
    // Finalizers of native objects run between two turns of the event loop.
    if (ended) await setImmediate();
  }

  /** Does one job of the transfer whose turn it is. @returns false when no transfer has one */
  async #work(): Promise<boolean> {
    for (;;) {
      const turn = this.#turn();
      if (turn === undefined) return false;
      // Another thread may have taken the chunk first.
      if (await this.#workAt(...turn)) return true;
    }
  }

  /** Of the transfers with a chunk, the one that is furthest behind; of equal ones the oldest. */
  #turn(): [number: number, seat: Seat] | undefined {
    const { clock } = this.#bell;
    let turn: [number, Seat] | undefined;
    let least = 0;
    for (const [number, seat] of this.#seats) {
      if (!seat.ring.hasJob) continue;
      const start = startOf(seat.ring.position, clock);
      if (turn !== undefined && !isBefore(start, least)) continue;
      turn = [number, seat];
      least = start;
    }
    return turn;
  }

  async #workAt(number: number, seat: Seat): Promise<boolean> {
    const { ring } = seat;
    // In this order: who dies in between has worked at this transfer.
    ring.enter();
    this.#bell.work(this.#thread, number);
    const index = ring.takeNow();
    if (index !== undefined) {
      const { position } = ring;
      const start = startOf(position, this.#bell.clock);
      this.#bell.clock = start;
      ring.advance(position, start, stepsOf(seat.bytes(index)));
      await seat.run(index);
    }
    this.#bell.work(this.#thread, 0);
    ring.leave();
    return index !== undefined;
  }
}

export { started } from './serve.js';

export default function shared(startUp: SharedStartUp): Promise<void> {
  return new SharedThread(startUp).run();
}
