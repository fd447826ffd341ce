// A worker that dies within a transfer ends it with ERR_WORKER_DIED, on either side, and never silently.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { isTyped } from '../chunk/typed.js';
import { noise } from '../codec/support.js';
import type { Receiver } from '../../src/transfer/receiver/receiver.js';
import type { Sender } from '../../src/transfer/sender/sender.js';
import {
  encodeStream,
  memoryReceiver,
  MemorySink,
  memorySender,
  MemorySource,
} from './support/memory-link.js';

const LIMIT = { timeout: 20_000 };
const bytes = noise(1_000_000);

describe('worker death within a transfer', () => {
  it('rejects send with ERR_WORKER_DIED', LIMIT, async () => {
    const source = new MemorySource(bytes);
    const sink = new MemorySink(async (length) => {
      // After the first record the thread is working, and no longer loading its modules.
      if (length > 64) await sender.threads[0]?.terminate();
    });
    const sender: Sender = memorySender(source, sink, { threads: 2 });
    await assert.rejects(sender.run(), isTyped('ERR_WORKER_DIED'));
    assert.ok(source.closed);
    assert.equal(sender.threads.length, 0);
  });

  it('rejects receive with ERR_WORKER_DIED', LIMIT, async () => {
    const source = new MemorySource(await encodeStream(bytes));
    const sink = new MemorySink(async (length) => {
      if (length > 0) await receiver.threads[0]?.terminate();
    });
    const receiver: Receiver = memoryReceiver(source, sink, { threads: 2 });
    await assert.rejects(receiver.run(), isTyped('ERR_WORKER_DIED'));
    assert.ok(source.closed);
    assert.equal(receiver.threads.length, 0);
  });

  it('rejects send with ERR_WORKER_DIED, waiting for input', LIMIT, async () => {
    const source = new MemorySource(bytes, 65_536, 'idles');
    const sink = new MemorySink();
    const sender = memorySender(source, sink, { threads: 1 });
    const running = sender.run();
    running.catch(() => undefined);
    while (sink.length < 900_000) await setTimeout(2);
    void sender.threads[0]!.terminate();
    await assert.rejects(running, isTyped('ERR_WORKER_DIED'));
    assert.ok(source.closed);
  });
});
