// The worker thread of a server: takes chunks of several transfers in turn, and those of one transfer in sequence. It keeps its
// codecs between transfers, and nothing of a transfer behind that transfer's end.

import { setImmediate } from 'node:timers/promises';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

import { Reclaimer } from '../src/codec/reclaim.js';
import { Bell } from '../src/slot/bell.js';
import { slotViews, type SlotViews } from '../src/slot/layout.js';
import { jobDone, jobFailed } from '../src/slot/outcome.js';
import { Ring } from '../src/slot/ring.js';
import type { SeatMessage, SharedStartUp, WorkerStartUp } from '../src/slot/start-up.js';
import { openCompressor } from './compress.js';
import { openDecompressor } from './decompress.js';
import { CodecCache } from './serve.js';

/** One transfer at this thread. Its parts are made when its first chunk comes. */
class Seat {
  readonly ring: Ring;
  readonly #begin: Extract<SeatMessage, { readonly begin: number }>;
  readonly #caches: CodecCaches;
  #slots: SlotViews[] | undefined;
  #job: ((slot: SlotViews) => Promise<void>) | undefined;
  readonly #reclaimer = new Reclaimer();

  constructor(
    begin: Extract<SeatMessage, { readonly begin: number }>,
    bell: SharedArrayBuffer,
    caches: CodecCaches,
  ) {
    this.#begin = begin;
    this.#caches = caches;
    this.ring = new Ring(begin.startUp.ring, bell);
  }

  async run(index: number): Promise<void> {
    const { startUp, work } = this.#begin;
    const cache = this.#caches.of(startUp);
    this.#slots ??= slotViews(startUp.arena, startUp.geometry);
    const slot = this.#slots[index]!;
    const started = performance.now();
    try {
      this.#job ??= work === 'compress' ? openCompressor(startUp, cache) : openDecompressor(startUp, cache);
      await this.#job(slot);
      slot.job.wallMicros = (performance.now() - started) * 1000;
      jobDone(slot);
      this.ring.finish(index);
    } catch (thrown) {
      jobFailed(slot, thrown, { sequence: slot.job.sequence });
      // Wakes the main thread at once, whichever slot it waits for.
      this.ring.finish();
    }
    if (cache.returnsBuffers) await this.#reclaimer.used(slot.input.length);
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
    const { turn } = this.#bell;
    const numbers = [...this.#seats.keys()];
    const next = numbers.findIndex((number) => number > turn);
    const first = next < 0 ? 0 : next;
    for (let step = 0; step < numbers.length; step++) {
      const number = numbers[(first + step) % numbers.length]!;
      if (await this.#workAt(number, this.#seats.get(number)!)) return true;
    }
    return false;
  }

  async #workAt(number: number, seat: Seat): Promise<boolean> {
    const { ring } = seat;
    if (ring.backlog <= 0) return false;
    // In this order: who dies in between has worked at this transfer.
    ring.enter();
    this.#bell.work(this.#thread, number);
    const index = ring.takeNow();
    if (index !== undefined) {
      this.#bell.turn = number;
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
