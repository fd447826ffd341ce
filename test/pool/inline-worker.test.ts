// The pool that runs jobs on the main thread until threads pay: which thread runs what, order, failures, aborts.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setImmediate as turn, setTimeout } from 'node:timers/promises';

import { RamferryError } from '../../src/errors.js';
import { processMicros } from '../../src/os/processor/cpu-time.js';
import { onThreadMoment, type ThreadMoment } from '../../src/pool/loaded.js';
import { OrderedPool } from '../../src/pool/ordered-pool.js';
import type { SlotViews } from '../../src/slot/layout.js';
import { isTyped } from '../chunk/typed.js';
import { DEED } from './deeds.js';

const LIMIT = { timeout: 60_000 };
/** Five jobs of this length are enough for threads to pay. */
const LONG_MS = 250;
const boom = new RamferryError('ERR_INTERRUPTED', 'enough');
const open: OrderedPool[] = [];

/** Jobs of the main thread. A job of the threads (odd-jobs.ts) leaves the same result. */
class MainWorker {
  readonly done: number[] = [];
  closed = 0;
  readonly cache = {
    returnsBuffers: false,
    close: (): void => {
      this.closed++;
    },
  };
  /** Called in each job. */
  onJob: (sequence: number) => void | Promise<void> = () => undefined;

  async job({ encode, output }: SlotViews): Promise<void> {
    const { sequence } = encode;
    await this.onJob(sequence);
    output.writeDoubleLE(sequence, 0);
    encode.outputLength = 8;
    this.done.push(sequence);
  }
}

function make({ threads = 2, slots = 6, entry = './odd-jobs.js' } = {}): {
  pool: OrderedPool;
  main: MainWorker;
} {
  const main = new MainWorker();
  const pool = new OrderedPool({
    entry: new URL(entry, import.meta.url),
    threads,
    geometry: { slots, segments: 0, headroom: 0, input: 64, output: 4096 },
    startUp: { maxChunk: 64, fd: -1, alignment: 1, zstdBinding: '' },
    inline: () => main,
  });
  open.push(pool);
  return { pool, main };
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.close()));
});

async function push(pool: OrderedPool, sequence: number): Promise<void> {
  const slot = await pool.acquire();
  const { encode } = pool.slots[slot]!;
  encode.begin();
  encode.task = DEED.work;
  encode.sequence = sequence;
  pool.push(slot);
}

async function drain(pool: OrderedPool): Promise<number[]> {
  const results: number[] = [];
  for (;;) {
    const slot = await pool.next();
    if (slot === undefined) return results;
    results.push(pool.slots[slot]!.output.readDoubleLE(0));
    pool.release(slot);
  }
}

async function feed(pool: OrderedPool, jobs: number): Promise<void> {
  for (let job = 0; job < jobs; job++) await push(pool, job);
  pool.end();
}

const count = (n: number): number[] => Array.from({ length: n }, (_, index) => index);

/** Occupies the processor. */
function block(milliseconds: number): void {
  const began = processMicros();
  while (processMicros() - began < milliseconds * 1e3);
}

describe('OrderedPool with jobs on the main thread', () => {
  it('starts no thread, short stream', LIMIT, async () => {
    const { pool, main } = make();
    const [, results] = await Promise.all([feed(pool, 200), drain(pool)]);
    assert.deepEqual(results, count(200));
    assert.deepEqual(main.done, count(200));
    assert.deepEqual(pool.threads, []);
    assert.equal(pool.busy, 0);
  });

  it('gives the event loop a turn between two jobs', LIMIT, async () => {
    const { pool, main } = make();
    let turns = 0;
    let ended = false;
    const turning = (async () => {
      for (; !ended; turns++) await turn();
    })();
    const seen: number[] = [];
    main.onJob = () => void seen.push(turns);
    await Promise.all([feed(pool, 30), drain(pool)]);
    ended = true;
    await turning;
    assert.equal(new Set(seen).size, 30, `jobs ran in turns ${seen.join()}`);
  });

  it('starts threads and hands over, when its jobs are the limit', LIMIT, async () => {
    const { pool, main } = make();
    main.onJob = (sequence) => block(sequence < 5 ? LONG_MS : 1);
    const results = drain(pool);
    let job = 0;
    while (pool.threads.length === 0) await push(pool, job++);
    assert.ok(main.done.length >= 2, 'not for a single job');
    // Until a thread has loaded, the main thread goes on.
    while (main.done.length >= job - 6) await push(pool, job++);
    const mine = main.done.length;
    for (let more = 0; more < 50; more++) await push(pool, job++);
    pool.end();
    assert.deepEqual(await results, count(job));
    assert.deepEqual(main.done, count(main.done.length), 'the first jobs');
    assert.ok(main.done.length <= mine + 1, 'no job behind a thread');
  });

  it('reports a failure in stream order, as a thread does', LIMIT, async () => {
    const { pool, main } = make();
    main.onJob = (sequence) => {
      if (sequence === 3) throw new RamferryError('ERR_STREAM_CODEC', 'bad', { hint: 'never mind' });
      if (sequence === 2) throw new TypeError('a mistake of ours');
    };
    for (const job of count(5)) await push(pool, job);
    pool.end();
    assert.ok((await pool.next()) !== undefined);
    assert.ok((await pool.next()) !== undefined);
    await assert.rejects(pool.next(), (thrown) => {
      isTyped('ERR_INTERNAL')(thrown);
      return (thrown as RamferryError).place.sequence === 2;
    });
  });

  it('fail() ends waits at once and runs no further job', LIMIT, async () => {
    const { pool, main } = make();
    let leave = (): void => undefined;
    const inJob = new Promise<void>((begun) => {
      main.onJob = () =>
        new Promise((resolve) => {
          leave = resolve;
          begun();
        });
    });
    for (const job of count(4)) await push(pool, job);
    const next = pool.next();
    await inJob;
    pool.fail(boom);
    await assert.rejects(next, boom);
    await assert.rejects(pool.acquire(), boom);
    let closed = false;
    const closing = pool.close().then(() => (closed = true));
    await setTimeout(20);
    assert.equal(closed, false, 'close() waits for the job, which uses the descriptors');
    assert.equal(main.closed, 0);
    leave();
    await closing;
    assert.deepEqual(main.done, [0]);
    assert.equal(main.closed, 1);
  });

  it('asks for collections once, when a binding leaves buffers behind', LIMIT, async () => {
    const heard: ThreadMoment[] = [];
    onThreadMoment((moment) => heard.push(moment));
    const { pool, main } = make();
    for (const leaves of [false, true]) {
      main.cache.returnsBuffers = leaves;
      for (const job of count(3)) {
        await push(pool, job);
        pool.release((await pool.next())!);
      }
      await turn();
      assert.deepEqual(heard, leaves ? ['alone', 'garbage'] : ['alone']);
    }
    onThreadMoment(() => undefined);
  });

  it('close() before any job gives contexts back once', LIMIT, async () => {
    const { pool, main } = make();
    await Promise.all([pool.close(), pool.close()]);
    assert.equal(main.closed, 1);
  });

  it('never starts threads, when it may have none', LIMIT, async () => {
    const { pool, main } = make({ threads: 0 });
    main.onJob = (sequence) => block(sequence < 5 ? LONG_MS : 0);
    await Promise.all([feed(pool, 20), drain(pool)]);
    assert.deepEqual(main.done, count(20));
    assert.deepEqual(pool.threads, []);
  });

  it('fails with the error of a thread that does not start', LIMIT, async () => {
    const { pool, main } = make({ entry: './bad-entry.js' });
    main.onJob = (sequence) => block(sequence < 5 ? LONG_MS : 1);
    const feeding = (async () => {
      for (let job = 0; ; job++) await push(pool, job);
    })();
    await Promise.all([drain(pool), feeding].map((each) => assert.rejects(each, isTyped('ERR_WORKER_DIED'))));
  });
});
