// What may be on its way follows how long chunks take to arrive; and whatever the receiver does or leaves undone, whoever
// waits goes on. On a clock of its own.

import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';

import { RamferryError } from '../../../src/errors.js';
import { DeliveryWindow } from '../../../src/transfer/pace/delivery-window.js';

const CHUNK = 1_000_000;
const AT_FIRST = 6 * CHUNK;

interface Path {
  /** Bytes a millisecond that the slowest part of the way takes. */
  readonly rate: number;
  /** Milliseconds that the way takes when it is empty, at this time. */
  readonly way: number | ((now: number) => number);
  /** When the slowest part takes its first byte, milliseconds. */
  readonly starts?: number;
  /** Bytes a millisecond that the pipeline has; Infinity = it always has the next chunk. */
  readonly supply?: number;
}

interface Played {
  readonly window: DeliveryWindow;
  readonly delivered: number;
  /** Milliseconds that the chunks of the last second took. */
  readonly delays: readonly number[];
}

/** A writer that writes whenever it may, and a path that takes any amount and delivers in order; a millisecond a step. */
async function play(
  { rate, way, starts = 0, supply = Infinity }: Path,
  milliseconds = 5000,
): Promise<Played> {
  let now = 0;
  const window = new DeliveryWindow(CHUNK, AT_FIRST, () => now);
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
    // Before anything is heard the network takes what it can hold.
    while (mayWrite && (delivered > 0 || sent < AT_FIRST) && sent + CHUNK <= supply * now) {
      sent += CHUNK;
      window.sent(CHUNK);
      free = Math.max(free, now, starts) + CHUNK / rate;
      const arrives = free + (typeof way === 'number' ? way : way(now));
      // In order, whatever the way does meanwhile.
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

/** Whether it resolves now, without anything else happening. */
async function resolves(promise: Promise<unknown>): Promise<boolean> {
  const state = { done: false };
  promise.then(
    () => (state.done = true),
    () => undefined,
  );
  await new Promise(setImmediate);
  return state.done;
}

/** A window that is full: two chunks may be on their way, and three are. */
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

describe('the delivery window', () => {
  it('keeps what waits on a slow path short, and the path busy', async () => {
    // 37 MB/s of guest: 100 Mbit/s at a ratio of 3. A buffer of megabytes lies before the bottleneck.
    const { window, delivered, delays } = await play({ rate: 37_000, way: 2 });
    assert.ok(window.limit <= 4 * CHUNK, `${window.limit} bytes may be on their way`);
    assert.ok(Math.max(...delays) <= 110, `${Math.max(...delays)} ms`);
    assert.ok(delivered >= 0.95 * 37_000 * 5000, `${delivered} bytes arrived`);
  });

  it('grows with a fast path that is long', async () => {
    // 500 MB/s over 80 ms: 40 MB must be on their way.
    const { window, delivered, delays } = await play({ rate: 500_000, way: 80 });
    assert.ok(window.limit >= 40 * CHUNK, `${window.limit} bytes may be on their way`);
    assert.ok(delivered >= 0.8 * 500_000 * 5000, `${delivered} bytes arrived`);
    assert.ok(Math.max(...delays) <= 80 + 80, `${Math.max(...delays)} ms`);
  });

  it('forgets that the first chunks met a receiver that was only starting', async () => {
    // 80 MB/s, a hypervisor slower than the link: the first window alone takes 75 ms, and nothing was ever faster.
    const { delivered, delays } = await play({ rate: 80_000, way: 1, starts: 60 });
    assert.ok(Math.max(...delays) <= 75, `${Math.max(...delays)} ms`);
    assert.ok(delivered >= 0.98 * 80_000 * 5000, `${delivered} bytes arrived`);
  });

  it('finds out that the way has become longer', async () => {
    const way = (now: number): number => (now < 2000 ? 1 : 150);
    const { window, delivered } = await play({ rate: 200_000, way }, 9000);
    assert.ok(window.limit >= 30 * CHUNK, `${window.limit} bytes may be on their way`);
    assert.ok(delivered >= 0.6 * 200_000 * 9000, `${delivered} bytes arrived`);
  });

  it('finds out that it has become shorter', async () => {
    const way = (now: number): number => (now < 2000 ? 150 : 1);
    const { delays, delivered } = await play({ rate: 200_000, way }, 20_000);
    assert.ok(Math.max(...delays) <= 60, `${Math.max(...delays)} ms`);
    assert.ok(delivered >= 0.93 * 200_000 * 20_000, `${delivered} bytes arrived`);
  });

  it('is not misled for long by chunks that were fast', async () => {
    const way = (now: number): number => (now < 5 ? 1 : 150);
    const { delivered } = await play({ rate: 200_000, way }, 8000);
    assert.ok(delivered >= 0.6 * 200_000 * 8000, `${delivered} bytes arrived`);
  });

  it('learns nothing from a writer that has little to say', async () => {
    const { window, delivered } = await play({ rate: 500_000, way: 1, supply: 3000 });
    assert.equal(window.limit, AT_FIRST);
    assert.ok(delivered >= 0.9 * 3000 * 5000, `${delivered} bytes arrived`);
  });

  it('always lets two chunks be on their way, however slow the path', async () => {
    const { window, delivered } = await play({ rate: 10_000, way: 50 }, 9000);
    assert.ok(window.limit >= 2 * CHUNK && window.limit < 3 * CHUNK, `${window.limit} bytes`);
    assert.ok(delivered >= 0.9 * 10_000 * 9000, `${delivered} bytes arrived`);
  });

  it('holds nobody back before anything was delivered', async () => {
    const window = new DeliveryWindow(CHUNK, 2 * CHUNK, () => 0);
    for (let chunk = 0; chunk < 50; chunk++) {
      assert.equal(await window.room(), false);
      window.sent(CHUNK);
      window.delivered(0); // It lives, and has nothing to tell.
    }
  });

  it('holds a write back until enough was delivered, and tells that it did', async () => {
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

describe('the delivery window never stops a transfer', () => {
  it('whose receiver falls silent, or tells nothing new, for a second', () =>
    withTimers(async (tick) => {
      const window = full();
      const room = window.room();
      for (let quarter = 0; quarter < 3; quarter++) {
        await tick(250);
        window.delivered(CHUNK); // A word, but no news: a receiver that waits for more of the stream says it for ever.
        assert.equal(await resolves(room), false);
      }
      await tick(250);
      assert.equal(await room, true);
      for (let chunk = 0; chunk < 50; chunk++) {
        window.sent(CHUNK);
        assert.equal(await resolves(window.room()), true);
      }
    }));

  it('whose receiver speaks again: then it is believed again', () =>
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

  it('whose receiver delivers little by little: it is waited for as long as there is progress', () =>
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

  it('whose receiver keeps some bytes to itself for ever: each stall lasts a second, and no longer', () =>
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

  it('that fails while it waits, or has failed before: the failure is what it learns', async () => {
    const window = full();
    const failure = new RamferryError('ERR_INTERRUPTED', 'enough');
    const rooms = [window.room(), window.room()];
    window.fail(failure);
    window.fail(new RamferryError('ERR_LINK_CLOSED', 'later'));
    for (const room of [...rooms, window.room()]) await assert.rejects(room, failure);
  });

  it('whose word comes between the look and the wait, or to several who wait', async () => {
    const window = full();
    const rooms = [window.room(), window.room()];
    window.delivered(4 * CHUNK); // Before any of them has had another turn.
    assert.deepEqual(await Promise.all(rooms), [true, true]);
  });

  it('whose receiver claims more than was sent', async () => {
    const window = full();
    window.delivered(Number.MAX_SAFE_INTEGER);
    window.sent(CHUNK);
    assert.equal(await window.room(), false);
    window.delivered(5 * CHUNK); // Back again: not believed.
    assert.equal(await window.room(), false);
  });
});
