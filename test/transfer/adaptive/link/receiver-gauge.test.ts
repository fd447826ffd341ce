// What keeps a sender waiting, by the receiver's report.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { ReceiverGauge } from '../../../../src/transfer/adaptive/link/receiver-gauge.js';

const WINDOW_MS = 50;

/** Intervals of both sides: for which shares of each the sender and the receiver waited; the answer after the last. */
function after(
  windows: readonly (readonly [here: number, there: number])[],
  gauge = new ReceiverGauge(),
): boolean {
  let waited = 3_000;
  gauge.recordReport({ clock: 7_000, waited });
  let allowed = false;
  windows.forEach(([here, there], index) => {
    waited += there * WINDOW_MS * 1e3;
    gauge.recordReport({ clock: 7_000 + (index + 1) * WINDOW_MS * 1e3, waited });
    allowed = gauge.endInterval(here, WINDOW_MS, (index + 1) * WINDOW_MS);
  });
  return allowed;
}

describe('ReceiverGauge', () => {
  it('allows the link, when both sides waited at once', () => {
    for (const both of [
      [0.9, 0.9],
      [0.7, 0.5],
      [0.2, 0.95],
    ] as const) {
      assert.ok(after([both, both]));
    }
  });

  it('does not allow the link, when the sides may have waited by turns', () => {
    for (const both of [
      [0.95, 0.02],
      [0.5, 0.4],
      [0.05, 1],
    ] as const) {
      assert.ok(!after([both, both]));
    }
    assert.ok(
      !after([
        [0.1, 0.4],
        [0.7, 0.5],
      ]),
      'a report too early or too late proves nothing',
    );
  });

  it('forgets older intervals', () => {
    assert.ok(
      after([
        [0, 0],
        [0.8, 0.9],
        [0.8, 0.9],
      ]),
    );
    assert.ok(
      !after([
        [0.9, 0.9],
        [0.1, 0.8],
        [0.1, 0.8],
      ]),
    );
  });

  it('allows the link, where the receiver is silent or has long been silent', () => {
    const silent = new ReceiverGauge();
    assert.ok(silent.endInterval(0.2, 50, 50));
    const once = new ReceiverGauge();
    once.recordReport({ clock: 1, waited: 0 });
    assert.ok(once.endInterval(0.2, 50, 50), 'one report spans no time');
    const gauge = new ReceiverGauge();
    assert.ok(!after([[0.9, 0]], gauge));
    assert.ok(!gauge.endInterval(0.9, 50, 100));
    assert.ok(gauge.endInterval(0.9, 500, 600));
  });

  it('reports the share of time in which the receiver waited', () => {
    const gauge = new ReceiverGauge();
    assert.equal(gauge.waited, undefined);
    after(
      [
        [0.5, 0.2],
        [0.5, 0.4],
      ],
      gauge,
    );
    assert.ok(Math.abs(gauge.waited! - 0.3) < 1e-9);
    gauge.endInterval(0.9, 500, 700);
    assert.equal(gauge.waited, undefined, 'it has long been silent');
  });
});
