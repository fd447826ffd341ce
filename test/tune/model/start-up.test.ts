// What the start of a command is worked out to be, from its time and its processor time.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { StretchCost, Route } from '../../../src/tune/model/model.js';
import { startUp } from '../../../src/tune/model/start-up.js';

const host = {
  cpus: 1,
  main: { perWireByte: 0, perChunk: 0, perGuestByte: 0 },
  scaling: [{ threads: 1, speedup: 1 }],
};
const route: Route = { sender: host, receiver: host, linkRate: 1e6, startUp: 7 };
/** Half a second of compression, three tenths of decompression; chunks so many that filling the pipe takes no time. */
const load: StretchCost = {
  weight: 3,
  ...{ guestBytes: 4e6, wireBytes: 1e6, chunks: 1e9, encode: 0.5, decode: 0.3 },
};
const about = (expected: number, found: number): void =>
  assert.ok(Math.abs(found - expected) < 1e-6, String(found));

describe('startUp', () => {
  it('returns the time beyond the data, each region once over an unlimited link', () => {
    about(0.25, startUp({ wall: 1.25, cpu: 1.35 }, [load, load], route));
  });

  it('does not count time that other programs took', () => {
    // The receiver's 0.6 s of decompression, and a second of its warm-up.
    about(0.3, startUp({ wall: 2.9, cpu: 1.3 }, [load, load], route));
  });

  it('uses wall time, where processor time is not known', () => {
    about(0.5, startUp({ wall: 1.5, cpu: NaN }, [load, load], route));
  });

  it('is never negative', () => {
    assert.equal(startUp({ wall: 0.1, cpu: 0.1 }, [load], route), 0);
  });
});
