// The rate limit on a simulated clock: no interval carries more than its share.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteSink } from '../../src/io/bytes.js';
import { PlainSink } from '../../src/io/plain-sink.js';
import { RateLimitedSink, type Clock } from '../../src/link/rate-limit.js';
import { openOutput } from '../../src/link/open.js';
import { sinkOf } from './support.js';

/** A clock that advances only while the code sleeps. Like a real sleep, each sleep may last longer than requested. */
class FakeClock implements Clock {
  time = 1000;
  late: () => number = () => 0;
  now(): number {
    return this.time;
  }
  sleep(milliseconds: number): Promise<void> {
    this.time += milliseconds + this.late();
    return Promise.resolve();
  }
}

class RecordingSink extends PlainSink {
  readonly label = 'record';
  readonly file = { fd: -1, alignment: 1 };
  readonly log: { time: number; length: number }[] = [];
  readonly bytes: number[] = [];
  readonly #clock: Clock;
  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }
  write(bytes: Uint8Array): Promise<void> {
    this.log.push({ time: this.#clock.now(), length: bytes.length });
    if (bytes.length < 100) this.bytes.push(...bytes);
    return Promise.resolve();
  }
  override queued(): number {
    return 7;
  }
}

/** Asserts that no interval carries more than its share plus the bytes of 100 ms. */
function checkBursts(log: RecordingSink['log'], bytesPerSecond: number): void {
  for (let first = 0; first < log.length; first++) {
    let sum = 0;
    for (let last = first; last < log.length; last++) {
      sum += log[last]!.length;
      const span = (log[last]!.time - log[first]!.time) / 1000;
      const most = bytesPerSecond * (span + 0.1) + 1;
      assert.ok(sum <= most, `${sum} bytes within ${span} s, at most ${most}`);
    }
  }
}

for (const rate of [3_000, 1_000_000, 125_000_000]) {
  describe(`a limit of ${rate} bytes per second`, () => {
    it('passes exactly that rate over five seconds, small pieces and late timers', async () => {
      const clock = new FakeClock();
      let turn = 0;
      clock.late = () => [0, 3, 0, 45, 1][turn++ % 5]!;
      const below = new RecordingSink(clock);
      const sink = new RateLimitedSink(below, rate, clock);
      const begin = clock.now();
      const block = new Uint8Array(Math.ceil(rate / 3));
      while (clock.now() - begin < 5000) await sink.write(block);
      const written = below.log
        .filter(({ time }) => time - begin <= 5000)
        .reduce((sum, { length }) => sum + length, 0);
      assert.ok(Math.abs(written / (rate * 5) - 1) <= 0.02, `${written} bytes in 5 s`);
      checkBursts(below.log, rate);
      assert.equal(
        sink.written,
        below.log.reduce((sum, { length }) => sum + length, 0),
      );
    });

    it('sends no burst after a long pause of the writer or a stall', async () => {
      const clock = new FakeClock();
      const below = new RecordingSink(clock);
      const sink = new RateLimitedSink(below, rate, clock);
      const block = new Uint8Array(Math.ceil(rate / 10));
      for (let i = 0; i < 10; i++) {
        await sink.write(block);
        if (i % 3 === 0) clock.time += 2000;
      }
      checkBursts(below.log, rate);
    });
  });
}

describe('rate limit', () => {
  it('keeps the order of the bytes and offers no positioned writes', async () => {
    const clock = new FakeClock();
    const below = new RecordingSink(clock);
    const sink: ByteSink = new RateLimitedSink(below, 1000, clock);
    await sink.write(Uint8Array.from({ length: 90 }, (_, i) => i));
    assert.deepEqual(
      below.bytes,
      Array.from({ length: 90 }, (_, i) => i),
    );
    assert.equal(sink.file, undefined);
    assert.equal(sink.queued(), 7);
  });

  it('works below one byte per piece, real clock', async () => {
    const clock = new FakeClock();
    const slow = new RateLimitedSink(new RecordingSink(clock), 2, clock);
    await slow.write(new Uint8Array(10));
    assert.equal(clock.now(), 1000 + 9 * 500);

    const channel = await openOutput({ kind: 'file', path: '/dev/null' }, { maxBandwidth: 10_000_000 });
    const sink = sinkOf(channel);
    assert.ok(sink instanceof RateLimitedSink);
    await sink.write(new Uint8Array(1_000_000));
    assert.equal(sink.written, 1_000_000);
    await sink.finish();
    const unlimited = await openOutput({ kind: 'file', path: '/dev/null' }, { maxBandwidth: 0 });
    assert.ok(!(unlimited.sink instanceof RateLimitedSink));
    await sinkOf(unlimited).abort();
  });
});
