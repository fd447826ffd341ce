// Threads that are there before the pools they work for, and after them.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import type { RamferryError } from '../../src/errors.js';
import { ThreadGroup } from '../../src/pool/thread-group.js';
import { OrderedPool } from '../../src/pool/ordered-pool.js';
import { STATE } from '../../src/slot/job.js';
import { isTyped } from '../chunk/typed.js';
import { BEGUN, DEED } from './deeds.js';

const LIMIT = { timeout: 20_000 };
const ENTRY = new URL('./odd-jobs.js', import.meta.url);
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

function makeCrew(threads: number, atOnce = true): ThreadGroup {
  const crew = new ThreadGroup({ entry: ENTRY, threads, atOnce });
  open.push(crew);
  return crew;
}

function makePool(crew: ThreadGroup, lent: boolean, threads = 2): OrderedPool {
  const pool = new OrderedPool({
    entry: ENTRY,
    threads,
    geometry: { slots: 4, segments: 0, headroom: 0, input: 64, output: 4096 },
    startUp: { maxChunk: 64, fd: -1, alignment: 1, zstdBinding: '' },
    crew: { crew, lent },
  });
  open.push(pool);
  return pool;
}

async function push(pool: OrderedPool, sequence: number, deed: number = DEED.work): Promise<void> {
  const slot = await pool.acquire();
  const { encode } = pool.slots[slot]!;
  encode.begin();
  encode.task = deed;
  encode.sequence = sequence;
  pool.push(slot);
}

async function next(pool: OrderedPool): Promise<number> {
  return pool.slots[(await pool.next())!]!.output.readDoubleLE(0);
}

const ids = (crew: ThreadGroup): number[] =>
  crew.threads.map(({ threadId }) => threadId).sort((a, b) => a - b);

describe('a crew', () => {
  it('starts its threads when there is a task, or all at once', LIMIT, () => {
    assert.equal(makeCrew(3, false).threads.length, 0);
    assert.equal(makeCrew(3).threads.length, 3);
  });

  it('that is lent works for one pool after the other, and is what it was', LIMIT, async () => {
    const crew = makeCrew(2);
    const before = ids(crew);
    for (const round of [1, 2, 3]) {
      const pool = makePool(crew, true);
      for (const job of [0, 1, 2]) await push(pool, round * 10 + job);
      assert.deepEqual(
        [await next(pool), await next(pool), await next(pool)],
        [0, 1, 2].map((n) => round * 10 + n),
      );
      await pool.close();
    }
    assert.deepEqual(ids(crew), before);
  });

  it('works for the next pool while the one before is still at it', LIMIT, async () => {
    const crew = makeCrew(1);
    const [first, second] = [makePool(crew, true, 1), makePool(crew, false, 1)];
    await push(first, 1, DEED.later);
    await push(second, 2);
    const waiting = next(second);
    assert.equal(await next(first), 1);
    await first.close();
    assert.equal(await waiting, 2);
  });

  it('that is given ends with the pool', LIMIT, async () => {
    const crew = makeCrew(2);
    const pool = makePool(crew, false);
    await push(pool, 1);
    assert.equal(await next(pool), 1);
    await pool.close();
    assert.deepEqual(crew.threads, []);
  });

  it('lets a thread finish its job before it ends the thread', LIMIT, async () => {
    const crew = makeCrew(1);
    const pool = makePool(crew, true, 1);
    const slot = await pool.acquire();
    const { encode } = pool.slots[slot]!;
    encode.begin();
    encode.task = DEED.work;
    encode.level = 300;
    pool.push(slot);
    while (encode.usedLevel !== BEGUN) await setTimeout(5);
    await crew.close();
    assert.equal(encode.state, STATE.done);
  });

  it('ends a thread that hangs in its job', LIMIT, async () => {
    const crew = makeCrew(1);
    const pool = makePool(crew, false, 1);
    await push(pool, 1, DEED.hang);
    await pool.close();
    assert.deepEqual(crew.threads, []);
  });

  it('can be closed while its threads load, twice, and with a pool behind it', LIMIT, async () => {
    const crew = makeCrew(3);
    const pool = makePool(crew, true);
    await push(pool, 1);
    await Promise.all([crew.close(), crew.close()]);
    assert.deepEqual(crew.threads, []);
    await pool.close();
  });
});

describe('a thread of a crew that dies', () => {
  const death = (crew: ThreadGroup): Promise<RamferryError> =>
    new Promise((resolve) => {
      crew.onDeath(resolve);
    });

  it('without a task is told, also to whoever asks later', LIMIT, async () => {
    const crew = makeCrew(1);
    const pool = makePool(crew, true);
    await push(pool, 1);
    assert.equal(await next(pool), 1, 'it has loaded: it may be killed');
    await pool.close();
    const told = death(crew);
    void crew.threads[0]!.terminate();
    isTyped('ERR_WORKER_DIED')(await told);
    isTyped('ERR_WORKER_DIED')(await death(crew));
    await assert.rejects(makePool(crew, false).acquire(), isTyped('ERR_WORKER_DIED'));
  });

  it('fails the pool that it works for', LIMIT, async () => {
    const pool = makePool(makeCrew(2), false);
    await push(pool, 1, DEED.leave);
    await assert.rejects(pool.next(), isTyped('ERR_WORKER_DIED'));
  });

  it('is not told to who has undone it', LIMIT, async () => {
    const crew = makeCrew(1);
    const heard: RamferryError[] = [];
    crew.onDeath((error) => heard.push(error))();
    const pool = makePool(crew, true);
    await push(pool, 1, DEED.leave);
    await death(crew);
    assert.deepEqual(heard, []);
  });
});
