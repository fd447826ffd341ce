// The rate of a link that has hardly a rest, from the kernel's queue before and after each write.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { DrainMeter } from '../../../../src/transfer/adaptive/link/drain-meter.js';

/** Bytes per millisecond. */
const RATE = 100_000;

/** Writes that do not wait, every 4 ms, into a buffer that a link drains; an interval of 50 ms. */
function drive(meter: DrainMeter, size: number, counts = true, unknown = false): (number | undefined)[] {
  const looks: (number | undefined)[] = [];
  let held = 0;
  let last = 0;
  let looked = 0;
  for (let now = 0; now < 500; now += 4) {
    held = Math.max(0, held - (now - last) * RATE);
    const before = held;
    held += size;
    last = now;
    const [first, then] = unknown ? [undefined, undefined] : [before, held];
    meter.recordWrite({ bytes: size, began: now, ended: now, before: first, queued: then });
    if (now - looked < 50) continue;
    looks.push(meter.endInterval(now, counts));
    looked = now;
  }
  return looks;
}

describe('DrainMeter', () => {
  it('measures a link whose queue is never empty, though no write waits', () => {
    const looks = drive(new DrainMeter(), 4.2 * RATE);
    assert.ok(Math.abs(looks.at(-1)! / (RATE * 1e3) - 1) < 0.01, String(looks.at(-1)));
  });

  it('measures nothing, where the link has a rest after each write', () => {
    assert.deepEqual(
      drive(new DrainMeter(), 3 * RATE).filter((rate) => rate !== undefined),
      [],
    );
  });

  it('measures nothing, with a slow reader or without figures of the kernel', () => {
    assert.ok(drive(new DrainMeter(), 5 * RATE, false).every((rate) => rate === undefined));
    assert.ok(drive(new DrainMeter(), 5 * RATE, true, true).every((rate) => rate === undefined));
  });

  it('forgets what it has seen, on forget() and with time', () => {
    const write = (meter: DrainMeter, now: number): void => {
      meter.recordWrite({ bytes: 400_000, began: now, ended: now, before: 0, queued: 400_000 });
      meter.recordWrite({ bytes: 1, began: now + 1.5, ended: now + 1.5, before: 250_000, queued: 250_001 });
    };
    // Twice 1.5 ms are enough, once is not.
    const meter = new DrainMeter();
    write(meter, 0);
    assert.equal(meter.endInterval(10, true), undefined);
    write(meter, 100);
    assert.ok(meter.endInterval(110, true) !== undefined);
    meter.forget();
    write(meter, 200);
    assert.equal(meter.endInterval(210, true), undefined);
    write(meter, 1_000);
    assert.equal(meter.endInterval(1_010, true), undefined);
  });
});
