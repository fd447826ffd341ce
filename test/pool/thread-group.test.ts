// Threads that run before the pools that they work for, and after them.

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

function makeGroup(threads: number, atOnce = true): ThreadGroup {
  const group = new ThreadGroup({ entry: ENTRY, threads, atOnce });
  open.push(group);
  return group;
}

function makePool(group: ThreadGroup, borrowed: boolean, threads = 2): OrderedPool {
  const pool = new OrderedPool({
    entry: ENTRY,
    threads,
    geometry: { slots: 4, segments: 0, headroom: 0, input: 64, output: 4096 },
    startUp: { maxChunk: 64, fd: -1, alignment: 1, zstdBinding: '' },
    given: { group, borrowed },
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

const ids = (group: ThreadGroup): number[] =>
  group.threads.map(({ threadId }) => threadId).sort((a, b) => a - b);

describe('ThreadGroup', () => {
  it('starts threads with tasks, or all at once', LIMIT, () => {
    assert.equal(makeGroup(3, false).threads.length, 0);
    assert.equal(makeGroup(3).threads.length, 3);
  });

  it('serves one pool after the other with the same threads, when borrowed', LIMIT, async () => {
    const group = makeGroup(2);
    const before = ids(group);
    for (const round of [1, 2, 3]) {
      const pool = makePool(group, true);
      for (const job of [0, 1, 2]) await push(pool, round * 10 + job);
      assert.deepEqual(
        [await next(pool), await next(pool), await next(pool)],
        [0, 1, 2].map((n) => round * 10 + n),
      );
      await pool.close();
    }
    assert.deepEqual(ids(group), before);
  });

  it('serves the next pool, while the one before is at work', LIMIT, async () => {
    const group = makeGroup(1);
    const [first, second] = [makePool(group, true, 1), makePool(group, false, 1)];
    await push(first, 1, DEED.later);
    await push(second, 2);
    const waiting = next(second);
    assert.equal(await next(first), 1);
    await first.close();
    assert.equal(await waiting, 2);
  });

  it('ends with its pool, when not borrowed', LIMIT, async () => {
    const group = makeGroup(2);
    const pool = makePool(group, false);
    await push(pool, 1);
    assert.equal(await next(pool), 1);
    await pool.close();
    assert.deepEqual(group.threads, []);
  });

  it('close() lets a thread finish its job', LIMIT, async () => {
    const group = makeGroup(1);
    const pool = makePool(group, true, 1);
    const slot = await pool.acquire();
    const { encode } = pool.slots[slot]!;
    encode.begin();
    encode.task = DEED.work;
    encode.level = 300;
    pool.push(slot);
    while (encode.usedLevel !== BEGUN) await setTimeout(5);
    await group.close();
    assert.equal(encode.state, STATE.done);
  });

  it('close() ends a thread that hangs in its job', LIMIT, async () => {
    const group = makeGroup(1);
    const pool = makePool(group, false, 1);
    await push(pool, 1, DEED.hang);
    await pool.close();
    assert.deepEqual(group.threads, []);
  });

  it('close() may be called while threads load, twice, and before the pool closes', LIMIT, async () => {
    const group = makeGroup(3);
    const pool = makePool(group, true);
    await push(pool, 1);
    await Promise.all([group.close(), group.close()]);
    assert.deepEqual(group.threads, []);
    await pool.close();
  });
});

describe('ThreadGroup.onDeath', () => {
  const death = (group: ThreadGroup): Promise<RamferryError> =>
    new Promise((resolve) => {
      group.onDeath(resolve);
    });

  it('reports the death of a thread without a task, also to later listeners', LIMIT, async () => {
    const group = makeGroup(1);
    const pool = makePool(group, true);
    await push(pool, 1);
    assert.equal(await next(pool), 1, 'it has loaded: it may be killed');
    await pool.close();
    const told = death(group);
    void group.threads[0]!.terminate();
    isTyped('ERR_WORKER_DIED')(await told);
    isTyped('ERR_WORKER_DIED')(await death(group));
    await assert.rejects(makePool(group, false).acquire(), isTyped('ERR_WORKER_DIED'));
  });

  it('fails the pool of the thread', LIMIT, async () => {
    const pool = makePool(makeGroup(2), false);
    await push(pool, 1, DEED.leave);
    await assert.rejects(pool.next(), isTyped('ERR_WORKER_DIED'));
  });

  it('does not call a removed listener', LIMIT, async () => {
    const group = makeGroup(1);
    const heard: RamferryError[] = [];
    group.onDeath((error) => heard.push(error))();
    const pool = makePool(group, true);
    await push(pool, 1, DEED.leave);
    await death(group);
    assert.deepEqual(heard, []);
  });
});
