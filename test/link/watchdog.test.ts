// The watchdog of a link: the cases that count as a stall, and those that do not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Watchdog } from '../../src/link/watchdog.js';

describe('Watchdog', { timeout: 30_000 }, () => {
  it('reports a stall with the limit', async () => {
    let told = 0;
    const dog = new Watchdog(
      20,
      () => 0,
      (milliseconds) => (told = milliseconds),
    );
    dog.start();
    while (told === 0) await sleep(1);
    assert.equal(told, 20);
    dog.close();
  });

  it('restarts its limit, process was stopped', async () => {
    let clock = 0;
    let asked = 0;
    let told = false;
    const now = (): number => {
      asked++;
      return clock;
    };
    const dog = new Watchdog(
      20,
      () => 0,
      () => (told = true),
      now,
    );
    dog.start();
    // Each step ends a minute late, as if the process had been stopped repeatedly.
    while (asked < 60) {
      clock += 60_000;
      await sleep(1);
      assert.equal(told, false);
    }
    while (!told) await sleep(1);
    dog.close();
  });

  it('reports no stall, bytes move or no read or write pending', async () => {
    let moved = 0;
    let told = 0;
    const dog = new Watchdog(
      10,
      () => moved++,
      () => told++,
    );
    dog.start();
    await sleep(60);
    dog.stop();
    await sleep(60);
    assert.equal(told, 0);
    dog.close();
  });
});
