// A sender with a slow receiver: it writes no more than the delivery window allows, a failure ends a write that is held back, and
// adaptive mode sees back-pressure.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';

import { RamferryError } from '../../../src/errors.js';
import type { WriteFigures } from '../../../src/transfer/adaptive/link/write-figures.js';
import { DeliveryWindow } from '../../../src/transfer/pace/delivery-window.js';
import { image } from '../support/carry.js';
import {
  decodeStream,
  type EncodeOptions,
  memorySender,
  MemorySink,
  MemorySource,
} from '../support/memory-link.js';

const CHUNK = 65_536;
const CHUNKS = 24;
const bytes = image(CHUNKS * CHUNK);

/** Reports when a write is held back. */
class WatchedWindow extends DeliveryWindow {
  #onHold: () => void = () => undefined;

  constructor() {
    super(CHUNK, 0);
  }

  /** Resolves when the sender waits here. */
  holds(): Promise<void> {
    return new Promise((resolve) => (this.#onHold = resolve));
  }

  override async room(): Promise<boolean> {
    const state = { waiting: true };
    const room = super.room().finally(() => (state.waiting = false));
    await setImmediate();
    if (state.waiting) this.#onHold();
    return room;
  }
}

interface Held {
  readonly window: WatchedWindow;
  readonly sink: MemorySink;
  readonly sender: ReturnType<typeof memorySender>;
  readonly running: Promise<void>;
}

/** A sender that is held back: the receiver has acknowledged one byte, and two chunks may be in flight. */
async function heldBack(options: EncodeOptions = {}): Promise<Held> {
  const window = new WatchedWindow();
  window.delivered(1);
  const sink = new MemorySink();
  const sender = memorySender(new MemorySource(bytes), sink, {
    ...options,
    deliveryWindow: window,
    codec: 'none',
  });
  const held = window.holds();
  const running = sender.run();
  running.catch(() => undefined);
  await held;
  return { window, sink, sender, running };
}

describe('Sender with a delivery window', { timeout: 60_000 }, () => {
  it('writes up to the limit, and the rest as it is acknowledged', async () => {
    const { window, sink, running } = await heldBack();
    assert.ok(sink.length > 2 * CHUNK && sink.length < 4 * CHUNK, `${sink.length} bytes`);
    const before = sink.length;
    const again = window.holds();
    window.delivered(CHUNK + 1);
    await again;
    assert.ok(sink.length > before && sink.length < before + 3 * CHUNK, `${sink.length} bytes`);
    window.delivered(bytes.length);
    await running;
    assert.ok((await decodeStream(sink.bytes())).equals(bytes));
  });

  it('writes on after a stall without acknowledgements', async () => {
    const { sink, running } = await heldBack();
    await running;
    assert.ok((await decodeStream(sink.bytes())).equals(bytes));
  });

  it('abort: rejects with the reason and writes no more, write held back', async () => {
    const { sink, sender, running } = await heldBack();
    const { length } = sink;
    const reason = new RamferryError('ERR_INTERRUPTED', 'enough');
    sender.abort(reason);
    await assert.rejects(running, reason);
    assert.equal(sink.length, length);
  });

  it('reports back-pressure to adaptive mode, kernel queue empty', async () => {
    const writes: WriteFigures[] = [];
    const chooser = {
      prepare: () => undefined,
      redirect: () => undefined,
      departed: () => undefined,
      wrote: (write: WriteFigures) => writes.push(write) === 0,
    };
    const { window, running } = await heldBack({ chooser });
    window.delivered(bytes.length);
    await running;
    const held = writes.filter(({ queued }) => queued === undefined);
    assert.ok(held.length >= 1, 'the write that was held back says nothing of the kernel');
    assert.ok(held.every(({ began, ended }) => ended > began));
    assert.ok(writes.some(({ queued }) => queued === 0));
  });
});
