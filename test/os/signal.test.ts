import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Signal } from '../../src/os/signal.js';

describe('Signal', () => {
  it('wakes all waiting callers', async () => {
    const signal = new Signal();
    const both = Promise.all([signal.wait(), signal.wait()]);
    signal.notify();
    await both;
  });

  it('ignores a notification before the wait', async () => {
    const signal = new Signal();
    signal.notify();
    let woken = false;
    const waiting = signal.wait().then(() => (woken = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(woken, false);
    signal.notify();
    await waiting;
  });

  it('waits again after each notification', async () => {
    const signal = new Signal();
    const first = signal.wait();
    signal.notify();
    const second = signal.wait();
    await first;
    assert.notEqual(first, second);
    signal.notify();
    await second;
  });
});
