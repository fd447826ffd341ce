// Who keeps a sender waiting, by the receiver's word.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { ReceiverGauge } from '../../../src/migration/adaptive/receiver-gauge.js';

/** A gauge that has heard of a window of 50 ms in which the receiver waited for this share. */
function heard(share: number): ReceiverGauge {
  const gauge = new ReceiverGauge();
  gauge.heard({ clock: 7_000, waited: 3_000 });
  gauge.heard({ clock: 57_000, waited: 3_000 + share * 50_000 });
  gauge.look(50);
  return gauge;
}

describe('ReceiverGauge', () => {
  it('blames the link when both sides waited at once', () => {
    assert.ok(heard(0.9).allows(0.9, 60));
    assert.ok(heard(0.5).allows(0.7, 60));
    assert.ok(heard(0.95).allows(0.2, 60));
  });

  it('does not when they may have waited by turns', () => {
    assert.ok(!heard(0.02).allows(0.95, 60));
    assert.ok(!heard(0.4).allows(0.5, 60));
    assert.ok(!heard(1).allows(0.05, 60));
  });

  it('knows nobody else where the receiver says nothing, or has long said nothing', () => {
    const silent = new ReceiverGauge();
    silent.look(50);
    assert.ok(silent.allows(0.2, 60));
    const once = new ReceiverGauge();
    once.heard({ clock: 1, waited: 0 });
    once.look(50);
    assert.ok(once.allows(0.2, 60), 'one word is no time');
    const gauge = heard(0);
    assert.ok(!gauge.allows(0.9, 500));
    assert.ok(gauge.allows(0.9, 600));
  });

  it('looks at what was said since the last look', () => {
    const gauge = heard(0);
    gauge.heard({ clock: 107_000, waited: 3_000 + 45_000 });
    gauge.look(100);
    assert.ok(gauge.allows(0.5, 110));
  });
});
