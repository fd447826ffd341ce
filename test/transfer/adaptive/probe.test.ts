import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { POLICY } from '../../../src/transfer/adaptive/policy.js';
import { Probe } from '../../../src/transfer/adaptive/probe.js';
import { MIB } from '../../../src/units.js';

/** Lets all chunks that the probe asks for leave. @returns how many there were */
function leave(probe: Probe, bytes: number): number {
  let chunks = 0;
  while (probe.next()) {
    chunks++;
    probe.recordChunk(bytes);
  }
  return chunks;
}

describe('Probe', () => {
  it('asks for two chunks, and is over when both have left', () => {
    const probe = new Probe(MIB);
    assert.equal(probe.next(), false);
    probe.begin();
    assert.deepEqual([probe.next(), probe.next(), probe.next()], [true, true, false]);
    probe.recordChunk(MIB);
    assert.ok(probe.isUnderWay);
    probe.recordChunk(MIB);
    assert.ok(!probe.isUnderWay);
    assert.equal(probe.end(), true);
    assert.equal(probe.end(), false);
  });

  it('asks for more chunks where they put little on the link, up to a bound', () => {
    const probe = new Probe(MIB);
    probe.begin();
    assert.equal(leave(probe, 0.3 * MIB), 4);
    assert.equal(probe.end(), true);
    probe.begin();
    assert.equal(leave(probe, 100), POLICY.probe.mostChunks);
    assert.equal(probe.end(), false);
  });

  it('finds out nothing when the interval ends before its chunks have left', () => {
    const probe = new Probe(MIB);
    probe.begin();
    probe.next();
    probe.recordChunk(2 * MIB);
    assert.equal(probe.end(), false);
    assert.ok(!probe.next() && !probe.isUnderWay);
  });

  it('is not possible with chunks above 2 MiB', () => {
    assert.deepEqual(
      [1, 2, 4].map((mib) => new Probe(mib * MIB).isPossible),
      [true, true, false],
    );
  });
});
