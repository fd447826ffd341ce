// The limit of bytes in flight follows the delays of chunks, and no behaviour of the receiver stops the transfer. Simulated clock.

import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';

import { RamferryError } from '../../../src/errors.js';
import { DeliveryWindow } from '../../../src/transfer/pace/delivery-window.js';

const CHUNK = 1_000_000;
const INITIAL_LIMIT = 6 * CHUNK;

interface Path {
  /** Bytes per millisecond of the slowest part of the path. */
  readonly rate: number;
  /** Milliseconds that the empty way takes, at this time. */
  readonly way: number | ((now: number) => number);
  /** Milliseconds until the slowest part takes its first byte. */
  readonly starts?: number;
  /** Bytes per millisecond of the pipeline; Infinity = it always has the next chunk. */
  readonly supply?: number;
}

interface Played {
  readonly window: DeliveryWindow;
  readonly delivered: number;
  /** Milliseconds that the chunks of the last second took. */
  readonly delays: readonly number[];
}

/** Simulates a writer that writes whenever it may and a path that delivers in order, in steps of one millisecond. */
async function play(
  { rate, way, starts = 0, supply = Infinity }: Path,
  milliseconds = 5000,
): Promise<Played> {
  let now = 0;
  const window = new DeliveryWindow(CHUNK, INITIAL_LIMIT, () => now);
  const queue: { end: number; at: number; arrives: number }[] = [];
  const delays: number[] = [];
  let [sent, delivered, free, mayWrite] = [0, 0, 0, true];
  for (; now < milliseconds; now++) {
    while (queue.length > 0 && queue[0]!.arrives <= now) {
      const { end, at } = queue.shift()!;
      delivered = end;
      if (now > milliseconds - 1000) delays.push(now - at);
    }
    window.delivered(delivered);
    await new Promise(setImmediate);
    // Before the first acknowledgement the network takes what it can hold.
    while (mayWrite && (delivered > 0 || sent < INITIAL_LIMIT) && sent + CHUNK <= supply * now) {
      sent += CHUNK;
      window.sent(CHUNK);
      free = Math.max(free, now, starts) + CHUNK / rate;
      const arrives = free + (typeof way === 'number' ? way : way(now));
      // Chunks arrive in order, also while the way changes.
      queue.push({ end: sent, at: now, arrives: Math.max(arrives, queue.at(-1)?.arrives ?? 0) });
      mayWrite = false;
      void window.room().then(
        () => (mayWrite = true),
        () => undefined,
      );
      await new Promise(setImmediate);
    }
  }
  window.fail(new RamferryError('ERR_INTERRUPTED', 'played to the end'));
  return { window, delivered, delays };
}

/** Whether the promise resolves without a further event. */
async function resolves(promise: Promise<unknown>): Promise<boolean> {
  const state = { done: false };
  promise.then(
    () => (state.done = true),
    () => undefined,
  );
  await new Promise(setImmediate);
  return state.done;
}

/** A window that is full: two chunks may be in flight, and three are. */
function full(): DeliveryWindow {
  const window = new DeliveryWindow(CHUNK, 2 * CHUNK, () => 0);
  window.sent(CHUNK);
  window.delivered(CHUNK);
  window.sent(3 * CHUNK);
  return window;
}

async function withTimers(
  work: (tick: (milliseconds: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    await work(async (milliseconds) => {
      mock.timers.tick(milliseconds);
      await new Promise(setImmediate);
    });
  } finally {
    mock.timers.reset();
  }
}

describe('DeliveryWindow', () => {
  it('bounds the delay and keeps the path busy, slow path', async () => {
    // 37 MB/s of guest: 100 Mbit/s at a ratio of 3. A buffer of megabytes lies before the bottleneck.
    const { window, delivered, delays } = await play({ rate: 37_000, way: 2 });
    assert.ok(window.limit <= 4 * CHUNK, `${window.limit} bytes may be in flight`);
    assert.ok(Math.max(...delays) <= 110, `${Math.max(...delays)} ms`);
    assert.ok(delivered >= 0.95 * 37_000 * 5000, `${delivered} bytes arrived`);
  });

  it('grows, fast path with a long way', async () => {
    // 500 MB/s over 80 ms: 40 MB must be in flight.
    const { window, delivered, delays } = await play({ rate: 500_000, way: 80 });
    assert.ok(window.limit >= 40 * CHUNK, `${window.limit} bytes may be in flight`);
    assert.ok(delivered >= 0.8 * 500_000 * 5000, `${delivered} bytes arrived`);
    assert.ok(Math.max(...delays) <= 80 + 80, `${Math.max(...delays)} ms`);
  });

  it('forgets the delays of the first chunks, receiver still starting', async () => {
    // 80 MB/s, a hypervisor slower than the link: the first window alone takes 75 ms, and nothing was ever faster.
    const { delivered, delays } = await play({ rate: 80_000, way: 1, starts: 60 });
    assert.ok(Math.max(...delays) <= 75, `${Math.max(...delays)} ms`);
    assert.ok(delivered >= 0.98 * 80_000 * 5000, `${delivered} bytes arrived`);
  });

  it('adapts when the way becomes longer', async () => {
    const way = (now: number): number => (now < 2000 ? 1 : 150);
    const { window, delivered } = await play({ rate: 200_000, way }, 9000);
    assert.ok(window.limit >= 30 * CHUNK, `${window.limit} bytes may be in flight`);
    assert.ok(delivered >= 0.6 * 200_000 * 9000, `${delivered} bytes arrived`);
  });

  it('adapts when the way becomes shorter', async () => {
    const way = (now: number): number => (now < 2000 ? 150 : 1);
    const { delays, delivered } = await play({ rate: 200_000, way }, 20_000);
    assert.ok(Math.max(...delays) <= 60, `${Math.max(...delays)} ms`);
    assert.ok(delivered >= 0.93 * 200_000 * 20_000, `${delivered} bytes arrived`);
  });

  it('recovers when only the first chunks were fast', async () => {
    const way = (now: number): number => (now < 5 ? 1 : 150);
    const { delivered } = await play({ rate: 200_000, way }, 8000);
    assert.ok(delivered >= 0.6 * 200_000 * 8000, `${delivered} bytes arrived`);
  });

  it('keeps its initial limit, writer slower than the path', async () => {
    const { window, delivered } = await play({ rate: 500_000, way: 1, supply: 3000 });
    assert.equal(window.limit, INITIAL_LIMIT);
    assert.ok(delivered >= 0.9 * 3000 * 5000, `${delivered} bytes arrived`);
  });

  it('allows two chunks in flight, however slow the path', async () => {
    const { window, delivered } = await play({ rate: 10_000, way: 50 }, 9000);
    assert.ok(window.limit >= 2 * CHUNK && window.limit < 3 * CHUNK, `${window.limit} bytes`);
    assert.ok(delivered >= 0.9 * 10_000 * 9000, `${delivered} bytes arrived`);
  });

  it('holds no write back before the first acknowledgement', async () => {
    const window = new DeliveryWindow(CHUNK, 2 * CHUNK, () => 0);
    for (let chunk = 0; chunk < 50; chunk++) {
      assert.equal(await window.room(), false);
      window.sent(CHUNK);
      window.delivered(0); // A keep-alive without progress.
    }
  });

  it('room: waits until enough was delivered, and returns that it waited', async () => {
    const window = full();
    const room = window.room();
    assert.equal(await resolves(room), false);
    window.delivered(1.5 * CHUNK);
    assert.equal(await resolves(room), false);
    window.delivered(2 * CHUNK + 1);
    assert.equal(await room, true);
    assert.equal(await window.room(), false);
  });
});

describe('DeliveryWindow, stalled receiver', () => {
  it('releases the writer after STALL_MS without a new acknowledgement', () =>
    withTimers(async (tick) => {
      const window = full();
      const room = window.room();
      for (let quarter = 0; quarter < 3; quarter++) {
        await tick(250);
        window.delivered(CHUNK); // The same number again: a receiver that waits for more of the stream repeats it for ever.
        assert.equal(await resolves(room), false);
      }
      await tick(250);
      assert.equal(await room, true);
      for (let chunk = 0; chunk < 50; chunk++) {
        window.sent(CHUNK);
        assert.equal(await resolves(window.room()), true);
      }
    }));

  it('holds writes back again after the next acknowledgement', () =>
    withTimers(async (tick) => {
      const window = full();
      const first = window.room();
      await tick(1000);
      await first;
      window.sent(CHUNK);
      window.delivered(CHUNK + 1);
      const second = window.room();
      assert.equal(await resolves(second), false);
      window.delivered(4 * CHUNK);
      await second;
    }));

  it('waits on while the receiver makes progress, however small', () =>
    withTimers(async (tick) => {
      const window = full();
      const room = window.room();
      for (let byte = 1; byte < 10; byte++) {
        await tick(900);
        window.delivered(CHUNK + byte);
        assert.equal(await resolves(room), false);
      }
      await tick(1000);
      assert.equal(await room, true);
    }));

  it('resumes after STALL_MS each time, receiver always two chunks behind', () =>
    withTimers(async (tick) => {
      const window = full();
      for (let chunk = 4; chunk < 12; chunk++) {
        const room = window.room();
        await tick(1000);
        await room;
        window.sent(CHUNK);
        window.delivered(chunk * CHUNK - 2 * CHUNK); // Two chunks behind, always.
      }
    }));

  it('fail: rejects current and later calls of room with the first reason', async () => {
    const window = full();
    const failure = new RamferryError('ERR_INTERRUPTED', 'enough');
    const rooms = [window.room(), window.room()];
    window.fail(failure);
    window.fail(new RamferryError('ERR_LINK_CLOSED', 'later'));
    for (const room of [...rooms, window.room()]) await assert.rejects(room, failure);
  });

  it('wakes all waiters, acknowledgement in the same turn', async () => {
    const window = full();
    const rooms = [window.room(), window.room()];
    window.delivered(4 * CHUNK); // Before any of them has had another turn.
    assert.deepEqual(await Promise.all(rooms), [true, true]);
  });

  it('ignores an acknowledgement beyond what was sent', async () => {
    const window = full();
    window.delivered(Number.MAX_SAFE_INTEGER);
    window.sent(CHUNK);
    assert.equal(await window.room(), false);
    window.delivered(5 * CHUNK); // Less than before: ignored.
    assert.equal(await window.room(), false);
  });
});
