// The announced memory of a thread is enough for its binding, over many chunks and with a Reclaimer as in a worker.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import v8 from 'node:v8';
import { Reclaimer } from '../../src/codec/reclaim.js';
import { bindingInfo } from '../../src/codec/registry.js';
import { zstdEncoderMemory } from '../../src/codec/zstd-memory.js';
import { MIB } from '../../src/units.js';
import { candidates, memoryLike, roomFor, shared, sharedRoom } from './support.js';

// As the command does.
v8.setFlagsFromString('--expose-gc');

/** The test's own garbage, and modules that the process loads meanwhile. */
const SLACK = 16 * MIB;
const CALLS = 160;

describe('memoryPerThread', () => {
  for (const { codec, binding, open } of candidates) {
    it(`is enough for ${codec} by ${binding}`, async () => {
      const work = open();
      const info = bindingInfo(codec, { binding });
      const chunk = shared(memoryLike(MIB));
      const room = roomFor(MIB);
      const decoded = sharedRoom(MIB);
      const before = process.memoryUsage.rss();
      const reclaimer = new Reclaimer();
      let peak = 0;
      for (let i = 0; i < CALLS; i += 1) {
        const length = await work.compress(room, chunk, 1);
        await work.decompress(decoded, room.subarray(0, length));
        if (info.returnsBuffers) await reclaimer.used(2 * MIB);
        peak = Math.max(peak, process.memoryUsage.rss() - before);
      }
      work.close();
      assert.ok(peak <= info.memoryPerThread(1, MIB) + SLACK, `${Math.round(peak / MIB)} MiB`);
    });
  }

  it('exists for every zstd level, and grows with the size', () => {
    for (let level = -50; level <= 19; level += 1) {
      for (const size of [1, 64 * 1024, MIB, 16 * MIB, 64 * MIB]) {
        assert.ok(zstdEncoderMemory(level, size) >= 512 * 1024, `level ${level}, ${size} bytes`);
      }
      assert.ok(zstdEncoderMemory(level, 64 * MIB) >= zstdEncoderMemory(level, MIB));
    }
    // Anchors from ZSTD_estimateCCtxSize_usingCParams of zstd 1.5.7.
    assert.equal(zstdEncoderMemory(9, MIB), 12_793 * 1024);
    assert.equal(zstdEncoderMemory(19, 64 * MIB), 83_200 * 1024);
  });
});
