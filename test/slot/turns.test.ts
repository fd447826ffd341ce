// Turns: a wait ends when its turns have ended, in any order, and fails when one of them never will.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';

import fc from 'fast-check';

import { RamferryError } from '../../src/errors.js';
import { allocateTurns, Turns } from '../../src/slot/turns.js';

const failed = (thrown: unknown): boolean =>
  thrown instanceof RamferryError && thrown.code === 'ERR_INTERNAL';

describe('Turns', () => {
  it('accept ends in any order', () => {
    const order = fc.shuffledSubarray(
      Array.from({ length: 12 }, (_, index) => index),
      { minLength: 12 },
    );
    fc.assert(
      fc.property(order, (numbers) => {
        const turns = new Turns(allocateTurns(12));
        turns.wait(0);
        for (const number of numbers) turns.end(number);
        turns.wait(12);
      }),
    );
  });

  it('count beyond 32 bits', () => {
    const memory = allocateTurns(3);
    const start = 2 ** 32 - 2;
    new Int32Array(memory)[0] = start | 0;
    const turns = new Turns(memory);
    for (let number = start; number < start + 5; number++) {
      turns.wait(number);
      turns.end(number);
    }
    turns.wait(start + 5);
  });

  it('fail() ends only the waits behind it', () => {
    const turns = new Turns(allocateTurns(8));
    turns.end(0);
    turns.fail(3);
    turns.fail(2);
    turns.fail(4);
    turns.wait(1);
    turns.end(1);
    turns.wait(2);
    assert.throws(() => turns.wait(3), failed);
    assert.throws(() => turns.wait(5), failed);
  });

  it('wake another thread at an end and at a failure', async () => {
    for (const [deed, word] of [
      ['end', 'went on'],
      ['fail', 'ERR_INTERNAL'],
    ] as const) {
      const memory = allocateTurns(4);
      const worker = new Worker(new URL('turns-worker.js', import.meta.url), { workerData: memory });
      await new Promise((resolve) => worker.once('message', resolve));
      const told = new Promise((resolve) => worker.once('message', resolve));
      const turns = new Turns(memory);
      turns.end(1);
      if (deed === 'end') turns.end(0);
      else turns.fail(0);
      assert.equal(await told, word);
      await worker.terminate();
    }
  });
});
