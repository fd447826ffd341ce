// Which codings are tried, on a rig that only pretends: the rule does not depend on how fast this machine is.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { type Measurements, codingKey, REFERENCE } from '../../../src/tune/measure/measurements.js';
import { measure } from '../../../src/tune/measure/measure.js';
import type { Region } from '../../../src/tune/measure/region.js';
import type { Coding, RegionFigures, CodecRig } from '../../../src/tune/measure/codec-rig.js';
import { MIB } from '../../../src/units.js';

const REGIONS: Region[] = Array.from({ length: 16 }, (_, index) => ({
  weight: 1,
  offset: index * 4 * MIB,
  length: 4 * MIB,
}));

/** All codings that were measured before the time was over. */
async function tried(
  candidates: readonly Coding[],
  seconds: (coding: Coding) => number,
): Promise<Set<string>> {
  const enough = new AbortController();
  const seen = new Set<string>();
  let runs = 0;
  const run: CodecRig['run'] = (coding, regions) => {
    seen.add(codingKey(coding));
    if (++runs > 300) enough.abort(new Error('enough'));
    const pages = { zero: 0, duplicate: 0, literal: 1024 };
    const figures: RegionFigures[] = regions.map(({ length }) => ({
      ...{ guestBytes: length, wireBytes: length / 4, chunks: 4, pages },
      ...{ encode: seconds(coding), decode: 0.001 },
    }));
    const phase = { wall: 0.01, cpu: 0.01, regions: regions.map(() => 0.01) };
    return Promise.resolve({ figures, encode: phase, decode: phase });
  };
  const encode = (measurements: Measurements, coding: Coding): number =>
    measurements.stretches(coding).reduce((sum, load) => sum + load.encode, 0);
  await assert.rejects(
    measure({
      regions: REGIONS,
      rig: { run },
      candidates,
      variants: (coding) => (coding.chunkSize === MIB ? [{ ...coding, chunkSize: 4 * MIB }] : []),
      deadline: Infinity,
      judge: encode,
      floor: encode,
      signal: enough.signal,
    }),
    /enough/,
  );
  return seen;
}

describe('measure, with no time left', () => {
  it('measures the codings that are always measured, and no other', async () => {
    const coding = (codec: Coding['codec'], level: number): Coding => ({ codec, level, chunkSize: MIB });
    const pages = { zero: 0, duplicate: 0, literal: 1024 };
    const phase = { wall: 0.01, cpu: 0.01, regions: [0.01] };
    const run: CodecRig['run'] = (_, regions) =>
      Promise.resolve({
        figures: regions.map(({ length }) => ({
          ...{ guestBytes: length, wireBytes: length / 4, chunks: 4, pages, encode: 0.01, decode: 0.001 },
        })),
        encode: phase,
        decode: phase,
      });
    const always = [coding('lz4', 1), coding('zstd', 3)];
    const measurements = await measure({
      ...{ regions: REGIONS, rig: { run }, deadline: 0, always },
      candidates: [...always, coding('zstd', 9), coding('zlib', 1)],
      variants: (each) => [{ ...each, chunkSize: 4 * MIB }],
      judge: () => 1,
      floor: () => 1,
    });
    const expected = [REFERENCE, coding('none', 1), ...always].map(codingKey);
    assert.deepEqual(measurements.codings.map(codingKey), expected);
  });
});

describe('measure', () => {
  const zstd = (level: number): Coding => ({ codec: 'zstd', level, chunkSize: MIB });

  it('leaves out levels above one that is too slow, and none below it', async () => {
    const levels = [-7, 1, 2, 3, 9].map(zstd);
    const seen = await tried(levels, ({ level }) => (level < 2 ? 0.01 : 0.01 * level));
    assert.ok(seen.has(codingKey(zstd(2))));
    assert.ok(!seen.has(codingKey(zstd(3))) && !seen.has(codingKey(zstd(9))));
    assert.ok(seen.has(codingKey({ ...REFERENCE, chunkSize: 4 * MIB })), 'other chunk sizes of what is good');
    assert.ok(!seen.has(codingKey({ ...zstd(3), chunkSize: 4 * MIB })));
  });

  it('measures every coding that may pay', async () => {
    const levels = [1, 3, 9].map(zstd);
    const seen = await tried(levels, () => 0.01);
    for (const level of levels) assert.ok(seen.has(codingKey(level)));
    assert.ok(seen.has(codingKey({ codec: 'none', level: 1, chunkSize: MIB })));
  });
});
