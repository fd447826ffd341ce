// `runPlan` connects the receiver's control messages with the sender: an acknowledgement reaches the delivery window.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { RawGrammar } from '../../../src/grammar/raw.js';
import { layOutPlan, type TransferPlan } from '../../../src/transfer/plan/transfer-plan.js';
import { type ReceiverMessages, runPlan } from '../../../src/transfer/sender/run-plan.js';
import { Statistics } from '../../../src/transfer/statistics/statistics.js';
import { image } from '../support/carry.js';
import { MemorySink, MemorySource } from '../support/memory-link.js';

const CHUNK = 65_536;
const CHUNKS = 24;
const WINDOW_CHUNKS = 3;
/** Long enough for a sender without back-pressure to write all bytes; far below the window's STALL_MS. */
const SETTLE_MS = 200;
const bytes = image(CHUNKS * CHUNK);

function plan(deliveryWindow: number | undefined): TransferPlan {
  return layOutPlan({
    stream: { kind: 'raw', grammar: 'raw' },
    coding: { codec: 'none', level: 0, chunkSize: CHUNK, threads: 1, codecBytes: 0 },
    container: { kind: 'native' },
    pace: { flushAfter: 60_000, deliveryWindow },
  });
}

/** Control messages of a receiver. The test sends the acknowledgements; success is reported when all bytes were sent. */
class FakeMessages implements ReceiverMessages {
  readonly result = undefined;
  readonly listeners: ((bytes: number) => void)[] = [];
  successMayCome: () => boolean = () => false;
  /** The receiver says that it lives, and nothing else. */
  isEndless = false;

  acceptSuccessWhen(condition: () => boolean): void {
    this.successMayCome = condition;
  }

  onDelivered(listener: (bytes: number) => void): void {
    this.listeners.push(listener);
  }

  onWaiting(): void {
    assert.fail('the transfer does not adapt');
  }

  success(): ReturnType<ReceiverMessages['success']> {
    assert.ok(this.successMayCome());
    if (this.isEndless) return new Promise(() => undefined);
    return Promise.resolve({ bytes: bytes.length });
  }

  failure(): Promise<never> {
    return new Promise<never>(() => undefined);
  }
}

function run(
  deliveryWindow: number | undefined,
  stallLimit?: number,
): {
  readonly control: FakeMessages;
  readonly sink: MemorySink;
  readonly running: Promise<void>;
} {
  const control = new FakeMessages();
  control.isEndless = stallLimit !== undefined;
  const sink = new MemorySink();
  const ends = {
    source: new MemorySource(bytes),
    head: new Uint8Array(0),
    grammar: new RawGrammar(),
    sink,
    control,
    living: {
      finalWhen: () => undefined,
      ask: () => assert.fail('the receiver lives'),
      conclude: () => Promise.resolve(),
    },
  };
  const running = runPlan(plan(deliveryWindow), ends, { statistics: new Statistics(), stallLimit });
  return { control, sink, running };
}

/** Waits until the sink has more than `least` bytes, and then SETTLE_MS for further writes. @returns its bytes */
async function settled(sink: MemorySink, least: number): Promise<number> {
  while (sink.length <= least) await setTimeout(1);
  await setTimeout(SETTLE_MS);
  return sink.length;
}

describe('runPlan', { timeout: 60_000 }, () => {
  it('passes acknowledgements to the delivery window, which starts as large as the plan says', async () => {
    const { control, sink, running } = run(WINDOW_CHUNKS * CHUNK);
    const delivered = (bytes: number): void => control.listeners.forEach((hear) => hear(bytes));
    assert.equal(control.listeners.length, 2, 'the window and the statistics');
    // The window is in force only after the first acknowledgement.
    delivered(1);
    const before = await settled(sink, (WINDOW_CHUNKS - 1) * CHUNK);
    assert.ok(before < (WINDOW_CHUNKS + 2) * CHUNK, `${before} bytes without an acknowledgement of a chunk`);
    delivered(WINDOW_CHUNKS * CHUNK);
    const after = await settled(sink, before);
    assert.ok(after < bytes.length, `${after} bytes`);
    delivered(bytes.length);
    await running;
    assert.ok(sink.finished);
  });

  it('waits for a result while bytes are delivered, and does not wait for ever for one that says progress', async () => {
    const { control, sink, running } = run(undefined, 300);
    const failed = assert.rejects(running, (error: { code: string; cause: { code: string } }) => {
      assert.deepEqual([error.code, error.cause.code], ['ERR_OUTCOME_UNKNOWN', 'ERR_LINK_TIMEOUT']);
      return true;
    });
    let isOver = false;
    void failed.then(() => (isOver = true));
    while (!sink.finished) await setTimeout(1);
    for (let delivered = 1; delivered <= 8; delivered++) {
      for (const hear of control.listeners) hear(delivered);
      await setTimeout(100);
    }
    assert.ok(!isOver, 'bytes were delivered');
    const progress = setInterval(() => control.listeners.forEach((hear) => hear(8)), 20);
    await failed;
    clearInterval(progress);
  });

  it('gives acknowledgements to the statistics alone, without a delivery window in the plan', async () => {
    const { control, running } = run(undefined);
    assert.equal(control.listeners.length, 1);
    await running;
  });
});
