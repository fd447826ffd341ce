// Which thread runs a chunk never changes the bytes: the main thread, worker threads, or one after the other.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Grammar } from '../../src/grammar/grammar.js';
import { grammarFor } from '../../src/grammar/detect.js';
import { layOutPlan } from '../../src/transfer/plan/transfer-plan.js';
import { Sender } from '../../src/transfer/sender/sender.js';
import { Statistics } from '../../src/transfer/statistics/statistics.js';
import { KIB, MIB } from '../../src/units.js';

import { record, smallGuest } from '../guest/harness.js';
import { image } from './support/carry.js';
import { MemorySink, MemorySource } from './support/memory-link.js';
import { soundStreams } from './support/streams-corpus.js';
import { CollectingSink, pack, PiecewiseSource, receiving, unpack } from './support/streams-support.js';

const LIMIT = { timeout: 60_000 };

function sender(bytes: Uint8Array, sink: MemorySink, level: number, threads = 2): Sender {
  const grammar: Grammar = grammarFor('opaque');
  const plan = layOutPlan({
    stream: { kind: 'opaque', grammar: 'opaque' },
    coding: { codec: 'zstd', level, chunkSize: 256 * KIB, threads, codecBytes: 0 },
    container: { kind: 'native' },
  });
  return new Sender(
    plan,
    { source: new MemorySource(bytes), sink, grammar },
    { statistics: new Statistics() },
  );
}

describe('chunks on the main thread', () => {
  for (const { name, bytes } of soundStreams()) {
    it(`make the bytes that threads make: ${name}`, LIMIT, async () => {
      const options = { chunkSize: 16 * KIB, storeBytes: 128 * KIB };
      const inline = await pack(bytes, options);
      assert.ok(inline.equals(await pack(bytes, { ...options, threads: 2 })));
      assert.ok((await unpack(inline)).bytes.equals(bytes));
    });
  }

  it('make the same bytes with a page store and the self-check', LIMIT, async () => {
    const { stream } = await record(await smallGuest('qemu', 4 * MIB), {
      policy: { kind: 'fixed', rounds: 8 },
      load: { pattern: 'lines', workingSetPages: 40, firstPage: 100, seed: 3, rate: { pagesPerRound: 50 } },
    });
    const options = { chunkSize: 64 * KIB, storeBytes: 512 * KIB };
    const inline = await pack(stream, options);
    assert.ok(inline.equals(await pack(stream, { ...options, threads: 2 })));
    assert.ok(inline.equals(await pack(stream, { ...options, selfCheck: true })));
    assert.ok((await unpack(inline)).bytes.equals(stream));
  });

  it('start no thread for a stream of 28 MB, on either side', LIMIT, async () => {
    const bytes = image(27 * MIB);
    const sink = new MemorySink();
    const sending = sender(bytes, sink, 1);
    let seen = 0;
    const look = setInterval(() => (seen = Math.max(seen, sending.threads.length)), 1);
    await sending.run();
    assert.equal(seen, 0);
    const output = new CollectingSink();
    const receiver = receiving(new PiecewiseSource(sink.bytes()), output, 'native');
    clearInterval(look);
    const watch = setInterval(() => (seen = Math.max(seen, receiver.threads.length)), 1);
    await receiver.run();
    clearInterval(watch);
    assert.equal(seen, 0);
    assert.ok(output.bytes.equals(bytes));
  });

  it('give way to threads, when the codec is slow, and the bytes stay the same', LIMIT, async () => {
    const bytes = image(12 * MIB);
    const sink = new MemorySink();
    const sending = sender(bytes, sink, 19);
    let seen = 0;
    const look = setInterval(() => (seen = Math.max(seen, sending.threads.length)), 1);
    await sending.run();
    clearInterval(look);
    assert.ok(seen > 0, 'threads were started');
    const alone = new MemorySink();
    await sender(bytes, alone, 19, 0).run();
    assert.ok(sink.bytes().equals(alone.bytes()));
  });
});
