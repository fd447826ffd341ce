// The number of chunks in the pool follows the measured rate of the link.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { LinkPace } from '../../../src/transfer/pace/link-pace.js';

/** Plays `seconds` of writes of `bytes` each that take `waited` of every `every` milliseconds. */
function play(bytes: number, every: number, waited: number, seconds = 2): LinkPace {
  let now = 0;
  const pace = new LinkPace(() => now);
  while (now < seconds * 1000) {
    now += every;
    pace.wrote(bytes, waited);
  }
  return pace;
}

describe('LinkPace', () => {
  it('does not limit a link that keeps up', () => {
    const pace = play(160_000, 1, 0.1);
    assert.equal(pace.chunks, Infinity);
    assert.equal(pace.linkRate, undefined);
  });

  it('holds what the link drains in less than 100 ms', () => {
    // 12.5 MB/s in records of 160 kB: one every 12.8 ms.
    const pace = play(160_000, 12.8, 12.7);
    assert.ok(Math.abs(pace.linkRate! - 12.5e6) < 1e5, String(pace.linkRate));
    assert.ok(pace.chunks * 160_000 <= 12.5e6 * 0.1);
    assert.ok(pace.chunks >= 2);
  });

  it('never goes below one chunk, however slow the link', () => {
    assert.equal(play(160_000, 5000, 4990, 60).chunks, 1);
  });

  it('drops to a third while a delivery window holds writes back, and returns', () => {
    let now = 0;
    const pace = new LinkPace(() => now);
    const chunks = (heldBack: boolean): number => {
      for (const until = now + 1000; now < until; now += 4) pace.wrote(160_000, 3.9, 1, heldBack);
      return pace.chunks;
    };
    const alone = chunks(false);
    assert.equal(alone, 15);
    assert.equal(chunks(true), alone / 3);
    assert.equal(chunks(false), alone);
  });

  it('stops limiting as soon as the link is fast again', () => {
    let now = 0;
    const pace = new LinkPace(() => now);
    for (; now < 1000; now += 20) pace.wrote(160_000, 19);
    assert.ok(pace.chunks < Infinity);
    for (; now < 1300; now += 1) pace.wrote(160_000, 0.05);
    assert.equal(pace.chunks, Infinity);
  });
});
