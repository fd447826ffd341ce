// Threads that several transfers share: turns, deaths, and memory that no thread touches any more.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { COMPRESS_ENTRY } from '../../src/os/entries.js';
import { OrderedPool } from '../../src/pool/ordered-pool.js';
import { ThreadHost } from '../../src/pool/thread-host.js';
import { TASK } from '../../src/slot/job.js';
import { isTyped } from '../chunk/typed.js';

const LIMIT = { timeout: 60_000 };
const CHUNK = 262_144;
const hosts: ThreadHost[] = [];
const pools: OrderedPool[] = [];
const bytes = randomBytes(CHUNK);
for (let at = 0; at < CHUNK; at += 3) bytes[at] = 0x41;

function makeHost(threads: number): ThreadHost {
  const host = new ThreadHost(threads);
  hosts.push(host);
  return host;
}

function makePool(host: ThreadHost, slots = 8): OrderedPool {
  const pool = new OrderedPool({
    entry: COMPRESS_ENTRY,
    threads: host.size,
    geometry: { slots, segments: 0, headroom: 0, input: CHUNK, output: 2 * CHUNK },
    startUp: { maxChunk: CHUNK, fd: -1, alignment: 1, zstdBinding: '' },
    given: {
      bell: host.bell,
      arena: (size) => new SharedArrayBuffer(size),
      attach: (transfer) => host.attach(transfer),
    },
  });
  pools.push(pool);
  return pool;
}

/** Queues a chunk to compress as a zstd frame. */
async function push(pool: OrderedPool, sequence: number, level: number, length = CHUNK): Promise<void> {
  const slot = await pool.acquire();
  const { encode, input } = pool.slots[slot]!;
  bytes.copy(input);
  encode.begin();
  encode.task = TASK.frame;
  encode.codec = 'zstd';
  encode.level = level;
  encode.inputLength = length;
  encode.readAt = -1;
  encode.sequence = sequence;
  pool.push(slot);
}

const pendingOf = (pool: OrderedPool): number => [...pool.pending()].length;

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});

describe('ThreadHost', LIMIT, () => {
  it('serves transfers the same bytes, chunks of other sizes', async () => {
    const host = makeHost(1);
    const [large, small] = [makePool(host), makePool(host, 32)];
    // The thread has loaded its modules.
    await push(large, 0, 1);
    large.release((await large.next())!);
    for (let chunk = 1; chunk < 8; chunk++) await push(large, chunk, 19);
    for (let chunk = 0; chunk < 31; chunk++) await push(small, chunk, 19, CHUNK / 8);
    while (pendingOf(large) > 3) large.release((await large.next())!);
    const served = 31 - pendingOf(small);
    assert.ok(served >= 16, `${served} small chunks beside 4 or 5 large ones`);
  });

  it('takes the chunks of the transfers in turn', async () => {
    const host = makeHost(1);
    const [first, second] = [makePool(host), makePool(host)];
    // The thread has loaded its modules.
    await push(first, 0, 1);
    first.release((await first.next())!);
    for (let chunk = 1; chunk < 8; chunk++) await push(first, chunk, 19);
    for (let chunk = 0; chunk < 7; chunk++) await push(second, chunk, 19);
    await second.next();
    assert.ok(pendingOf(first) >= 3, `${pendingOf(first)} chunks of the first transfer are left`);
    while (pendingOf(second) > 0) second.release((await second.next())!);
    assert.ok(pendingOf(first) <= 2, 'and the second did not run alone');
  });

  it('serves many transfers one after the other with the same threads', async () => {
    const host = makeHost(2);
    const before = host.threads.map(({ threadId }) => threadId);
    for (let transfer = 0; transfer < 50; transfer++) {
      const pool = makePool(host, 3);
      await push(pool, 0, 1);
      const slot = (await pool.next())!;
      assert.ok(pool.slots[slot]!.encode.outputLength > 0);
      await pool.close();
    }
    assert.deepEqual(
      host.threads.map(({ threadId }) => threadId),
      before,
    );
  });

  it('replaces a thread that dies between jobs, and no transfer notices', async () => {
    const host = makeHost(1);
    const pool = makePool(host);
    await push(pool, 0, 1);
    pool.release((await pool.next())!);
    const [thread] = host.threads;
    // It has reported the chunk a moment before it is free.
    await sleep(100);
    await thread!.terminate();
    await push(pool, 1, 1);
    assert.ok((await pool.next()) !== undefined);
    assert.notEqual(host.threads[0]!.threadId, thread!.threadId);
  });

  it('fails the transfer whose chunk a dying thread had, and no other', async () => {
    const host = makeHost(1);
    const [first, second] = [makePool(host), makePool(host)];
    await push(first, 0, 1);
    first.release((await first.next())!);
    await push(first, 1, 19);
    await push(second, 0, 1);
    // The thread works at the first transfer's chunk.
    while (pendingOf(first) !== 1) await sleep(1);
    await sleep(20);
    await host.threads[0]!.terminate();
    await assert.rejects(first.next(), isTyped('ERR_WORKER_DIED'));
    assert.ok((await second.next()) !== undefined, 'the other goes on');
  });

  it('lets go of the memory before close() resolves', async () => {
    const host = makeHost(2);
    const pool = makePool(host);
    for (let chunk = 0; chunk < 6; chunk++) await push(pool, chunk, 19);
    await sleep(10);
    await pool.close();
    for (const { output } of pool.slots) output.fill(0);
    await sleep(300);
    assert.ok(
      pool.slots.every(({ output }) => output.every((byte) => byte === 0)),
      'no thread writes afterwards',
    );
  });
});
