// What the main thread's costs are worked out to be, from the costs of four transfers that differ in one thing each; and
// what those transfers are.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { mainCost, measureSettings, type SettingCost } from '../../../src/tune/measure/overhead.js';
import { MIB } from '../../../src/units.js';

/** A transfer whose main thread takes one nanosecond a byte on the link, a millisecond a chunk, 0.1 ns a guest byte. */
function transfer(guestBytes: number, wireBytes: number, chunks: number, extra = 0): SettingCost {
  const own = wireBytes * 1e-9 + chunks * 1e-3 + guestBytes * 1e-10 + extra;
  const side = { own, others: 0 };
  return {
    guestBytes,
    wireBytes,
    chunks,
    sender: side,
    receiver: side,
  };
}

describe('mainCost', () => {
  it('separates the cost of bytes, chunks and length, without one-time costs', () => {
    const settings = {
      usual: transfer(512 * MIB, MIB, 512, 0.3),
      small: transfer(512 * MIB, 2 * MIB, 2048, 0.3),
      short: transfer(128 * MIB, MIB / 4, 128, 0.3),
      full: transfer(128 * MIB, 128 * MIB, 128, 0.3),
    };
    const cost = mainCost(settings, 'sender');
    assert.ok(Math.abs(cost.perWireByte - 1e-9) < 1e-12);
    assert.ok(Math.abs(cost.perChunk - 1e-3) < 1e-9);
    assert.ok(Math.abs(cost.perGuestByte - 1e-10) < 1e-13);
  });

  it('returns 0, where the transfers do not differ', () => {
    const one = transfer(4096, 100, 1);
    const cost = mainCost({ usual: one, small: one, short: one, full: one }, 'receiver');
    assert.deepEqual(cost, { perWireByte: 0, perChunk: 0, perGuestByte: 0 });
  });

  it('returns no negative cost, with noise', () => {
    const settings = {
      usual: transfer(512 * MIB, MIB, 512, 0.5),
      small: transfer(512 * MIB, 2 * MIB, 2048, -2),
      short: transfer(128 * MIB, MIB / 4, 128, 1),
      full: transfer(128 * MIB, 128 * MIB, 128, 0),
    };
    for (const part of Object.values(mainCost(settings, 'sender'))) assert.ok(part >= 0);
  });
});

describe('measureSettings', () => {
  it('varies each amount by more than the one-time costs', async () => {
    const scratch = fs.mkdtempSync(join(tmpdir(), 'ramferry-overhead-test-'));
    try {
      const file = join(scratch, 'part');
      fs.writeFileSync(file, Buffer.alloc(MIB, 'guest'));
      const { costs, command, complete } = await measureSettings({
        ...{ file, scratch, writer: 'discard', deadline: 0, latest: 0, giveUp: Infinity },
      });
      const { usual, small, short, full } = costs;
      assert.ok(complete);
      assert.equal(usual.guestBytes - short.guestBytes, 384 * MIB);
      assert.equal(small.chunks - usual.chunks, 3 * 512);
      assert.ok(full.wireBytes - short.wireBytes > 127 * MIB);
      assert.deepEqual(
        [full.chunks, full.guestBytes],
        [short.chunks, short.guestBytes],
        'they differ in what is on the link alone',
      );
      for (const { sender, receiver } of Object.values(costs)) {
        assert.ok(sender.own > 0 && receiver.own > 0);
      }
      // Its own account, not that of the three processes beside it.
      assert.ok(command.wall > 0 && !(command.cpu <= 0));
      assert.deepEqual(fs.readdirSync(scratch), ['part']);
    } finally {
      fs.rmSync(scratch, { recursive: true, force: true });
    }
  });

  it('ends after one setting and reports it, when time is over', async () => {
    const scratch = fs.mkdtempSync(join(tmpdir(), 'ramferry-overhead-test-'));
    try {
      const file = join(scratch, 'part');
      fs.writeFileSync(file, Buffer.alloc(MIB, 'guest'));
      const { costs, complete } = await measureSettings({
        ...{ file, scratch, writer: 'discard', deadline: 0, latest: 0, giveUp: 0, imageShare: 1 / 16 },
      });
      assert.equal(complete, false);
      assert.equal(costs.usual.guestBytes, 32 * MIB);
      assert.deepEqual(mainCost(costs, 'sender'), { perWireByte: 0, perChunk: 0, perGuestByte: 0 });
    } finally {
      fs.rmSync(scratch, { recursive: true, force: true });
    }
  });
});
