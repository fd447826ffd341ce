// The ring between real threads: each job runs exactly once, no wake-up is lost, stop() ends all workers.
// A lost wake-up shows as a test that does not end: each test has its own time limit.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { allocateRing, Ring } from '../../src/slot/ring.js';
import type { RingWorkerData } from './ring-worker.js';

const LIMIT = { timeout: 30_000 };

class Workshop {
  readonly ring: Ring;
  readonly done: Int32Array;
  readonly order: Int32Array;
  readonly #jobOfSlot: Int32Array;
  readonly #states: Int32Array;
  readonly #free: number[];
  readonly #busy = new Set<number>();
  readonly #exits: Promise<unknown>[];
  readonly workers: Worker[];
  #next = 0;

  constructor(jobs: number, slots: number, threads: number, uneven = true) {
    const ints = (n: number): SharedArrayBuffer => new SharedArrayBuffer(n * 4);
    const workerData: RingWorkerData = {
      ring: allocateRing(slots),
      jobOfSlot: ints(slots),
      done: ints(jobs),
      order: ints(jobs + 1),
      states: ints(slots),
      uneven,
    };
    this.ring = new Ring(workerData.ring);
    this.done = new Int32Array(workerData.done);
    this.order = new Int32Array(workerData.order);
    this.#jobOfSlot = new Int32Array(workerData.jobOfSlot);
    this.#states = new Int32Array(workerData.states);
    this.#free = Array.from({ length: slots }, (_, index) => index);
    const entry = new URL('./ring-worker.js', import.meta.url);
    this.workers = Array.from({ length: threads }, () => new Worker(entry, { workerData }));
    this.#exits = this.workers.map(
      (worker) => new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject)),
    );
  }

  /** Pushes the next job as soon as a slot is free. */
  async push(): Promise<void> {
    while (this.#free.length === 0) await this.#collect();
    const slot = this.#free.pop()!;
    Atomics.store(this.#jobOfSlot, slot, this.#next++);
    Atomics.store(this.#states, slot, 0);
    this.#busy.add(slot);
    this.ring.push(slot);
  }

  /** Slots that are free now. */
  get room(): number {
    return this.#free.length;
  }

  /** Waits for the oldest job, and for no other, until its slot is free. */
  async takeOldest(): Promise<void> {
    const [slot] = this.#busy;
    for (;;) {
      const seen = this.ring.finished;
      this.ring.await(slot!);
      if (Atomics.load(this.#states, slot!) !== 0) break;
      await this.ring.changed(seen);
    }
    this.#busy.delete(slot!);
    this.#free.push(slot!);
  }

  async settle(): Promise<void> {
    while (this.#busy.size > 0) await this.#collect();
  }

  async #collect(): Promise<void> {
    const seen = this.ring.finished;
    let found = false;
    for (const slot of this.#busy) {
      if (Atomics.load(this.#states, slot) === 0) continue;
      this.#busy.delete(slot);
      this.#free.push(slot);
      found = true;
    }
    if (!found) await this.ring.changed(seen);
  }

  home(): Promise<unknown> {
    return Promise.all(this.#exits);
  }
}

describe('Ring', () => {
  for (const [threads, slots] of [
    [1, 1],
    [4, 3],
    [3, 8],
  ] as const) {
    it(`runs each of 20000 jobs once, ${threads} workers and ${slots} slots`, LIMIT, async () => {
      const jobs = 20_000;
      const shop = new Workshop(jobs, slots, threads);
      for (let job = 0; job < jobs; job++) await shop.push();
      await shop.settle();
      shop.ring.stop();
      await shop.home();
      assert.ok(shop.done.every((times) => times === 1));
      assert.equal(shop.ring.finished, jobs + 1, 'stop counts as one, to wake the main thread');
      assert.equal(shop.ring.backlog, 0);
    });
  }

  it('await() wakes for one slot only, when others finish before it', LIMIT, async () => {
    const jobs = 20_000;
    const shop = new Workshop(jobs, 6, 3);
    for (let job = 0; job < jobs; job++) {
      if (shop.room === 0) await shop.takeOldest();
      await shop.push();
    }
    for (let left = 6 - shop.room; left > 0; left--) await shop.takeOldest();
    shop.ring.stop();
    await shop.home();
    assert.ok(shop.done.every((times) => times === 1));
  });

  it('gives each job to one worker, when many take at once', LIMIT, async () => {
    const rounds = 3000;
    const slots = 8;
    // Jobs that take no time: the workers meet at the queue again and again.
    const shop = new Workshop(rounds * slots, slots, 4, false);
    for (let round = 0; round < rounds; round++) {
      while (shop.room > 0) await shop.push();
      await shop.settle();
    }
    shop.ring.stop();
    await shop.home();
    assert.ok(shop.done.every((times) => times === 1));
  });

  it('wakes sleeping workers for single jobs with pauses', LIMIT, async () => {
    const jobs = 600;
    const shop = new Workshop(jobs, 4, 3);
    for (let job = 0; job < jobs; job++) {
      await shop.push();
      await shop.settle();
      // Now at once, now after a turn of the loop, now when everybody has gone to sleep again.
      if (job % 3 === 1) await setImmediate();
      if (job % 50 === 49) await setTimeout(2);
    }
    shop.ring.stop();
    await shop.home();
    assert.ok(shop.done.every((times) => times === 1));
  });

  it('hands jobs out in the order of the pushes', LIMIT, async () => {
    const jobs = 2000;
    const shop = new Workshop(jobs, 16, 1);
    for (let job = 0; job < jobs; job++) await shop.push();
    await shop.settle();
    shop.ring.stop();
    await shop.home();
    assert.deepEqual([...shop.order], [jobs, ...Array.from({ length: jobs }, (_, job) => job)]);
  });

  it('stop() wakes every worker, and counts none as sleeping afterwards', LIMIT, async () => {
    const shop = new Workshop(1, 4, 4);
    while (shop.ring.sleeping < 4) await setTimeout(1);
    shop.ring.stop();
    await shop.home();
    assert.equal(shop.ring.sleeping, 0);
  });

  it('stop() before the workers start ends them as well, and leaves queued jobs undone', LIMIT, async () => {
    const shop = new Workshop(2, 4, 2);
    shop.ring.stop();
    await shop.push();
    await shop.home();
    assert.equal(shop.ring.backlog, 1);
    assert.equal(shop.done[0], 0);
  });

  it('changed() returns at once, when the change came before the wait', async () => {
    const ring = new Ring(allocateRing(1));
    const seen = ring.finished;
    ring.finish();
    assert.equal(ring.changed(seen), undefined);
    const later = ring.changed(ring.finished);
    ring.finish();
    await later;
  });
});
