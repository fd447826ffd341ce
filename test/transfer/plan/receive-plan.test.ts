// The plan of a receiver, made before its sender connects.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { resolveReceiveOptions } from '../../../src/options/transfer.js';
import { planReceive, planRestore } from '../../../src/transfer/plan/receive-plan.js';
import { MIB } from '../../../src/units.js';

const resolved = (options: object) =>
  resolveReceiveOptions({ input: '-', output: '-', decompressThreads: 2, ...options });

describe('planReceive', () => {
  it('leaves room for the default page store beside the warm-up', () => {
    const { hello, prestart, threads, memoryLimit, passThrough, ioTimeout } = planReceive(resolved({}));
    assert.equal(threads, 2);
    assert.equal(memoryLimit, 320 * MIB);
    assert.equal(passThrough, false);
    assert.equal(ioTimeout, 30_000);
    assert.equal(hello.memory, 320 * MIB);
    assert.deepEqual(prestart, {
      threads: 2,
      zstdBinding: '',
      storeBytes: 64 * MIB,
      memoryLimit: 256 * MIB,
    });
  });

  it('expects no page store, narrow memory limit', () => {
    const { hello, prestart } = planReceive(resolved({ memoryLimit: 192 * MIB }));
    assert.equal(prestart.storeBytes, 0);
    assert.equal(prestart.memoryLimit, 192 * MIB);
    assert.ok(hello.maxChunk >= 65_536);
  });

  it('throws ERR_MEMORY_LIMIT, no stream fits', () => {
    assert.throws(() => planReceive(resolved({ memoryLimit: 16 * MIB })), { code: 'ERR_MEMORY_LIMIT' });
  });
});

describe('planRestore', () => {
  it('keeps maxSize, where it is given', () => {
    assert.equal(planRestore(resolved({ maxSize: 4096 })).maxSize, 4096);
    assert.ok(!('maxSize' in planRestore(resolved({}))));
  });

  it('sets no time limit for stalls by default', () => {
    assert.equal(planRestore({ decompressThreads: 1, memoryLimit: 128 * MIB }).ioTimeout, 0);
  });
});
