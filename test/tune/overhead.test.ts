// What the main thread's costs are worked out to be, from the costs of four transfers that differ in one thing each.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { mainCost, type SettingCost } from '../../src/tune/overhead.js';

const MIB = 1024 * 1024;

/** A transfer whose main thread takes one nanosecond a byte on the link, a millisecond a chunk, 0.1 ns a guest byte. */
function transfer(guestBytes: number, wireBytes: number, chunks: number, extra = 0): SettingCost {
  const own = wireBytes * 1e-9 + chunks * 1e-3 + guestBytes * 1e-10 + extra;
  const side = { own, others: 0 };
  return {
    coding: { codec: 'zstd', level: 1, chunkSize: MIB },
    guestBytes,
    wireBytes,
    chunks,
    sender: side,
    receiver: side,
  };
}

describe('mainCost', () => {
  it('tells bytes, chunks and length apart, and leaves out what a transfer costs once', () => {
    const settings = [
      transfer(64 * MIB, 20 * MIB, 64, 0.3),
      transfer(64 * MIB, 64 * MIB, 64, 0.3),
      transfer(64 * MIB, 21 * MIB, 256, 0.3),
      transfer(16 * MIB, 5 * MIB, 16, 0.3),
    ];
    const cost = mainCost(settings, 'sender');
    assert.ok(Math.abs(cost.perWireByte - 1e-9) < 1e-12);
    assert.ok(Math.abs(cost.perChunk - 1e-3) < 1e-9);
    assert.ok(Math.abs(cost.perGuestByte - 1e-10) < 1e-13);
  });

  it('is a number, and not negative, where the transfers do not differ', () => {
    const one = transfer(4096, 100, 1);
    const cost = mainCost([one, one, one, one], 'receiver');
    assert.deepEqual(cost, { perWireByte: 0, perChunk: 0, perGuestByte: 0 });
  });

  it('takes nothing from a stored transfer that is smaller, and noise for nothing', () => {
    const settings = [
      transfer(64 * MIB, 65 * MIB, 64, 0.5),
      transfer(64 * MIB, 64 * MIB, 64, 0),
      transfer(64 * MIB, 65 * MIB, 256, 0),
      transfer(16 * MIB, 16 * MIB, 16, 1),
    ];
    for (const part of Object.values(mainCost(settings, 'sender'))) assert.ok(part >= 0);
  });
});
