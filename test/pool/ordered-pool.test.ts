// The pool with real threads: order, the first error, back-pressure, and workers that die. A test that hangs fails by its time
// limit.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { RamferryError } from '../../src/errors.js';
import { OrderedPool } from '../../src/pool/ordered-pool.js';
import { isTyped } from '../chunk/typed.js';
import { BEGUN, DEED } from './deeds.js';

const LIMIT = { timeout: 20_000 };
const open: OrderedPool[] = [];

function makePool(threads: number, slots: number, entry = './odd-jobs.js', atOnce = 1): OrderedPool {
  const pool = new OrderedPool({
    entry: new URL(entry, import.meta.url),
    threads,
    geometry: { slots, segments: 0, headroom: 0, input: 64, output: 4096 },
    atOnce,
    startUp: { maxChunk: 64, fd: -1, alignment: 1, zstdBinding: '' },
  });
  open.push(pool);
  return pool;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.close()));
});

interface Order {
  readonly deed?: number;
  /** Milliseconds. */
  readonly takes?: number;
  readonly place?: number;
}

async function push(pool: OrderedPool, sequence: number, order: Order = {}): Promise<number> {
  const slot = await pool.acquire();
  const { encode } = pool.slots[slot]!;
  encode.begin();
  encode.task = order.deed ?? DEED.work;
  encode.level = order.takes ?? 0;
  encode.sequence = sequence;
  pool.push(slot, order.place);
  return slot;
}

function resultOf(pool: OrderedPool, slot: number | undefined): number {
  assert.ok(slot !== undefined);
  return pool.slots[slot]!.output.readDoubleLE(0);
}

/** Takes everything that comes, and the error or the end behind it. */
async function drain(pool: OrderedPool): Promise<{ results: number[]; error: unknown }> {
  const results: number[] = [];
  try {
    for (;;) {
      const slot = await pool.next();
      if (slot === undefined) return { results, error: undefined };
      results.push(resultOf(pool, slot));
      pool.release(slot);
    }
  } catch (error) {
    return { results, error };
  }
}

const count = (n: number): number[] => Array.from({ length: n }, (_, index) => index);
const boom = new RamferryError('ERR_INTERRUPTED', 'enough');

describe('OrderedPool', () => {
  it('hands out in the order of the pushes, in whatever order jobs finish', LIMIT, async () => {
    const pool = makePool(4, 6);
    const jobs = count(120);
    const pushing = (async () => {
      for (const job of jobs) {
        await push(pool, job, { takes: (job * 13) % 5, deed: job % 7 === 0 ? DEED.later : DEED.work });
      }
      pool.end();
    })();
    const { results, error } = await drain(pool);
    await pushing;
    assert.equal(error, undefined);
    assert.deepEqual(results, jobs);
    assert.ok(pool.threads.length >= 2, 'there was work for more than one');
    assert.ok(pool.threads.length <= 4);
  });

  for (const [threads, slots, atOnce] of [
    [1, 2, 1],
    [3, 9, 3],
    [2, 8, 8],
  ] as const) {
    it(`hands out every slot, when it waits for ${atOnce} at once`, LIMIT, async () => {
      const pool = makePool(threads, slots, './odd-jobs.js', atOnce);
      const jobs = count(150);
      const pushing = (async () => {
        for (const job of jobs) {
          if (job % 5 === 2) {
            // The last of those it waits for may be one that no worker sees.
            const slot = await pool.acquire();
            pool.slots[slot]!.output.writeDoubleLE(job, 0);
            pool.pushDone(slot);
          } else {
            await push(pool, job, { takes: (job * 7) % 4, deed: job % 11 === 0 ? DEED.later : DEED.work });
          }
          if (job % 40 === 39) await setTimeout(10);
        }
        pool.end();
      })();
      const { results, error } = await drain(pool);
      await pushing;
      assert.equal(error, undefined);
      assert.deepEqual(results, jobs);
    });
  }

  it('waits for several slots at once, and then has them', LIMIT, async () => {
    const pool = makePool(1, 4, './odd-jobs.js', 3);
    for (const job of count(4)) await push(pool, job, { takes: 5 });
    assert.equal(pool.nextNow(), undefined, 'not done yet');
    assert.equal(resultOf(pool, await pool.next()), 0);
    assert.equal(resultOf(pool, pool.nextNow()), 1);
    assert.equal(resultOf(pool, pool.nextNow()), 2);
  });

  it('reports a failure, when it waits for a later slot', LIMIT, async () => {
    const pool = makePool(1, 4, './odd-jobs.js', 4);
    await push(pool, 0, { deed: DEED.fail });
    await push(pool, 1, { deed: DEED.hang });
    await assert.rejects(pool.next(), isTyped('ERR_STREAM_CODEC'));
  });

  it('hands out by place, when places are pushed out of order', LIMIT, async () => {
    const pool = makePool(2, 8);
    const places = [2, 0, 3, 1, 5, 4];
    for (const place of places) {
      await push(pool, place * 10, { place });
    }
    pool.end();
    const { results } = await drain(pool);
    assert.deepEqual(results, [0, 10, 20, 30, 40, 50]);
    assert.equal(pool.position, 6);
  });

  it('hands out slots of pushDone() in their places', LIMIT, async () => {
    const pool = makePool(1, 4);
    await push(pool, 0, { takes: 5 });
    const slot = await pool.acquire();
    pool.slots[slot]!.output.writeDoubleLE(1, 0);
    pool.pushDone(slot);
    await push(pool, 2);
    assert.equal(pool.underWay, 3);
    pool.end();
    assert.deepEqual((await drain(pool)).results, [0, 1, 2]);
    assert.equal(pool.underWay, 0);
  });

  it('starts no thread without work', LIMIT, async () => {
    const pool = makePool(4, 4);
    await pool.acquire();
    const { threads } = pool;
    assert.deepEqual(threads, []);
    assert.ok(pool.hasFreeWorker, 'one that can be started');
    await push(pool, 0);
    assert.notDeepEqual(pool.threads, []);
  });

  it('counts pushes that find every worker at work', LIMIT, async () => {
    const pool = makePool(1, 4);
    await push(pool, 0, { takes: 20 });
    assert.equal(pool.busy, 0, 'the first may start a thread');
    await push(pool, 1);
    await push(pool, 2);
    assert.equal(pool.busy, 2);
    assert.ok(!pool.hasFreeWorker);
    pool.end();
    await drain(pool);
  });
});

describe('OrderedPool back-pressure', () => {
  it('acquire() waits for a release, when all slots are taken', LIMIT, async () => {
    const pool = makePool(2, 3);
    const slots = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    assert.equal(new Set(slots).size, 3);
    const order: string[] = [];
    const first = pool.acquire().then((slot) => (order.push('first'), slot));
    const second = pool.acquire().then((slot) => (order.push('second'), slot));
    await setTimeout(5);
    assert.deepEqual(order, []);
    pool.release(slots[1]!);
    assert.equal(await first, slots[1]);
    await setTimeout(5);
    assert.deepEqual(order, ['first']);
    pool.release(slots[0]!);
    assert.equal(await second, slots[0]);
  });

  it('acquire() waits while no slot is released, whatever the workers have done', LIMIT, async () => {
    const pool = makePool(2, 3);
    let pushed = 0;
    const pushing = (async () => {
      for (const job of count(10)) {
        await push(pool, job);
        pushed++;
      }
      pool.end();
    })();
    await setTimeout(100);
    assert.equal(pushed, 3);
    assert.deepEqual((await drain(pool)).results, count(10));
    await pushing;
  });
});

describe('OrderedPool errors', () => {
  it('reports the first error in stream order, after all slots before it', LIMIT, async () => {
    const pool = makePool(3, 8);
    for (const job of count(8)) {
      const bad = job === 3 || job === 5 || job === 6;
      await push(pool, job, { deed: bad ? DEED.fail : DEED.work, takes: job === 3 ? 30 : 0 });
    }
    pool.end(boom);
    const { results, error } = await drain(pool);
    assert.deepEqual(results, [0, 1, 2]);
    isTyped('ERR_STREAM_CODEC')(error);
    const { place, message, hint } = error as RamferryError;
    assert.deepEqual(
      { place, message, hint },
      { place: { sequence: 3 }, message: 'this one is bad', hint: 'never mind' },
    );
    await assert.rejects(pool.next(), isTyped('ERR_STREAM_CODEC'), 'and stays the error');
  });

  it(
    'reports an exception in a job as ERR_INTERNAL with the chunk, and keeps the thread',
    LIMIT,
    async () => {
      const pool = makePool(1, 2);
      await push(pool, 0);
      await push(pool, 1, { deed: DEED.crash });
      const { results, error } = await drain(pool);
      assert.deepEqual(results, [0]);
      isTyped('ERR_INTERNAL')(error);
      assert.equal((error as RamferryError).place.sequence, 1);
      assert.equal(pool.threads.length, 1);
    },
  );

  it('reports the error of end() after everything that was pushed', LIMIT, async () => {
    const pool = makePool(2, 4);
    for (const job of count(3)) await push(pool, job, { takes: 3 });
    pool.end(boom);
    assert.deepEqual(await drain(pool), { results: [0, 1, 2], error: boom });
  });

  it('end() wakes next()', LIMIT, async () => {
    const pool = makePool(1, 2);
    const waiting = pool.next();
    await setTimeout(2);
    pool.end();
    assert.equal(await waiting, undefined);
  });

  it('fail() wakes waits for a slot, for a push and for a job', LIMIT, async () => {
    const starved = makePool(1, 1);
    await starved.acquire();
    const slots = Promise.all([starved.acquire(), starved.acquire()]);
    const idle = makePool(1, 1);
    const nothing = idle.next();
    const stuck = makePool(1, 1);
    await push(stuck, 0, { deed: DEED.hang });
    const job = stuck.next();
    await setTimeout(5);
    for (const pool of [starved, idle, stuck]) {
      pool.fail(boom);
      pool.fail(new RamferryError('ERR_INTERNAL', 'a later error'));
    }
    for (const waiting of [slots, nothing, job]) await assert.rejects(waiting, boom);
    for (const pool of [starved, idle, stuck]) {
      await assert.rejects(pool.next(), boom, 'the first one counts');
      await assert.rejects(pool.acquire(), boom);
    }
  });
});

describe('OrderedPool, when a worker dies', () => {
  it('fails with ERR_WORKER_DIED, in a job', LIMIT, async () => {
    const pool = makePool(2, 4);
    await begun(pool, await push(pool, 0, { deed: DEED.hang }));
    await push(pool, 1);
    const next = pool.next();
    void pool.threads[0]!.terminate();
    await assert.rejects(next, isTyped('ERR_WORKER_DIED'));
    await assert.rejects(pool.acquire(), isTyped('ERR_WORKER_DIED'));
  });

  it('fails too, when the worker sleeps: no other may be left', LIMIT, async () => {
    const pool = makePool(1, 4);
    await push(pool, 0);
    pool.release((await pool.next())!);
    while (!pool.hasFreeWorker) await setTimeout(1);
    const next = pool.next();
    void pool.threads[0]!.terminate();
    await assert.rejects(next, isTyped('ERR_WORKER_DIED'));
  });

  it('fails with ERR_WORKER_OUT_OF_MEMORY, out of memory', LIMIT, async () => {
    const pool = makePool(2, 4);
    await push(pool, 0, { deed: DEED.hoard });
    await assert.rejects(pool.next(), isTyped('ERR_WORKER_OUT_OF_MEMORY'));
  });

  it('fails with ERR_WORKER_DIED, at process.exit()', LIMIT, async () => {
    const pool = makePool(1, 4);
    await push(pool, 0, { deed: DEED.leave });
    await assert.rejects(pool.next(), isTyped('ERR_WORKER_DIED'));
  });

  for (const [what, entry] of [
    ['throws when it starts', './bad-entry.js'],
    ['does not exist', './no-such-file.js'],
  ] as const) {
    it(`fails with ERR_WORKER_DIED, when the program ${what}`, LIMIT, async () => {
      const pool = makePool(1, 2, entry);
      await push(pool, 0);
      await assert.rejects(pool.next(), isTyped('ERR_WORKER_DIED'));
    });
  }
});

/** Waits until a worker has taken the job: before that its thread may be loading modules, and must not be killed. */
async function begun(pool: OrderedPool, slot: number): Promise<void> {
  while (pool.slots[slot]!.encode.usedLevel !== BEGUN) await setTimeout(1);
}

describe('OrderedPool.close', () => {
  it('may be called before any push, and twice at once', LIMIT, async () => {
    const pool = makePool(2, 2);
    await Promise.all([pool.close(), pool.close()]);
    await pool.close();
  });

  it('does not harm the process, while threads load', LIMIT, async () => {
    // The real worker: it has many modules, and native ones among them.
    for (let wait = 0; wait < 100; wait += 12) {
      const pool = makePool(3, 3, '../../workers/compress.js');
      for (const job of count(3)) await push(pool, job);
      await setTimeout(wait);
      await pool.close();
      assert.deepEqual(pool.threads, []);
    }
  });

  it('ends every thread: at work, asleep or just started', LIMIT, async () => {
    const pool = makePool(3, 6);
    for (const job of count(6)) await push(pool, job, { deed: job < 2 ? DEED.hang : DEED.work });
    while (pool.threads.length < 3) await setTimeout(1);
    const { threads } = pool;
    const exits = threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve)));
    await pool.close();
    await Promise.all(exits);
    assert.equal(pool.threads.length, 0);
  });
});
