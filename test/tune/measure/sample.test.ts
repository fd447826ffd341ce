import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { RawGrammar } from '../../../src/grammar/raw.js';
import type { ByteSource } from '../../../src/io/bytes.js';
import { REGION_BYTES } from '../../../src/tune/measure/region.js';
import { fewer, sampleImage, spread } from '../../../src/tune/measure/sample.js';
import { sampleStream } from '../../../src/tune/measure/sample-stream.js';
import { GIB } from '../../../src/units.js';

const directory = fs.mkdtempSync(join(tmpdir(), 'ramferry-sample-'));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

const OPTIONS = { seed: 7, regions: 64, lookTime: 60_000 };

/** A sparse file with something at the given regions. */
function sparse(name: string, bytes: number, used: readonly number[]): number {
  const path = join(directory, name);
  fs.writeFileSync(path, '');
  fs.truncateSync(path, bytes);
  const fd = fs.openSync(path, 'r+');
  const page = Buffer.alloc(64 * 1024, 'guest memory ');
  for (const index of used) {
    for (let at = 0; at < REGION_BYTES; at += page.length)
      fs.writeSync(fd, page, 0, page.length, index * REGION_BYTES + at);
  }
  return fd;
}

const total = (regions: readonly { weight: number; length: number }[]): number =>
  regions.reduce((sum, { weight, length }) => sum + weight * length, 0);

describe('sampleImage', () => {
  it('takes a small image whole', () => {
    const fd = sparse('small', 3 * REGION_BYTES + 4096, [1]);
    const sample = sampleImage(fd, 3 * REGION_BYTES + 4096, OPTIONS);
    assert.equal(sample.whole, true);
    assert.equal(sample.regions.length, 4);
    assert.equal(sample.sampled, sample.bytes);
    fs.closeSync(fd);
  });

  it('draws from memory in use, for 16 GiB with little in it', () => {
    const used = [3, 700, 701, 2222, 4000];
    const fd = sparse('sparse', 16 * GIB, used);
    const sample = sampleImage(fd, 16 * GIB, OPTIONS);
    const drawn = new Set(sample.regions.map(({ offset }) => offset / REGION_BYTES));
    for (const index of used) assert.ok(drawn.has(index), `region ${index}`);
    assert.ok(sample.regions.length <= OPTIONS.regions);
    assert.ok(Math.abs(total(sample.regions) / (16 * GIB) - 1) < 1e-9);
    fs.closeSync(fd);
  });

  it('weights each beginning of the sample for the whole image', () => {
    const used = Array.from({ length: 100 }, (_, index) => index * 40);
    const fd = sparse('beginnings', 16 * GIB, used);
    const { regions } = sampleImage(fd, 16 * GIB, OPTIONS);
    for (const count of [4, 16, 23, OPTIONS.regions]) {
      const kept = fewer(regions, count);
      assert.equal(kept.length, Math.min(count, regions.length));
      assert.ok(Math.abs(total(kept) / (16 * GIB) - 1) < 1e-9);
      const inUse = total(kept.filter(({ empty }) => empty !== true)) / REGION_BYTES;
      assert.ok(Math.abs(inUse - used.length) < 1e-6, `${count} regions: ${inUse} in use`);
    }
    fs.closeSync(fd);
  });

  it('depends on the seed alone', () => {
    const fd = sparse('seeded', 2 * GIB, []);
    const draw = (seed: number): number[] =>
      sampleImage(fd, 2 * GIB, { ...OPTIONS, seed }).regions.map(({ offset }) => offset);
    assert.deepEqual(draw(1), draw(1));
    assert.notDeepEqual(draw(1), draw(2));
    fs.closeSync(fd);
  });

  it('spreads each beginning of the sample over the image', () => {
    const regions = Array.from({ length: 64 }, (_, index) => ({ weight: 1, offset: index, length: 1 }));
    const first = spread(regions)
      .slice(0, 8)
      .map(({ offset }) => Math.floor(offset / 8));
    assert.deepEqual(first.sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

/** Bytes that say where they are. */
function sourceOf(bytes: number, piece: number): ByteSource {
  let at = 0;
  return {
    label: 'test',
    read: (target) => {
      const length = Math.min(target.length, piece, bytes - at);
      target.fill(1 + (Math.floor(at / REGION_BYTES) % 200), 0, length);
      at += length;
      return Promise.resolve(length);
    },
    close: () => Promise.resolve(),
  };
}

describe('sampleStream', () => {
  it('holds a bounded number of evenly spaced regions', async () => {
    const bytes = 21 * REGION_BYTES + 8192;
    const sample = await sampleStream({
      source: sourceOf(bytes, 100_000),
      head: new Uint8Array(0),
      grammar: new RawGrammar(),
      regions: 4,
      seed: 3,
    });
    assert.equal(sample.bytes, bytes);
    assert.ok(sample.regions.length >= 2 && sample.regions.length <= 4, `${sample.regions.length}`);
    assert.equal(sample.whole, false);
    const offsets = sample.regions.map(({ offset }) => offset / REGION_BYTES).sort((a, b) => a - b);
    const gaps = offsets.slice(1).map((each, index) => each - offsets[index]!);
    assert.equal(new Set(gaps).size, 1);
    for (const { offset, held } of sample.regions) assert.equal(held!.bytes[0], 1 + offset / REGION_BYTES);
    assert.ok(Math.abs(total(sample.regions) / bytes - 1) < 0.1);
  });

  it('takes a short stream whole', async () => {
    const sample = await sampleStream({
      source: sourceOf(3 * REGION_BYTES, 65_536),
      head: new Uint8Array(0),
      grammar: new RawGrammar(),
      regions: 8,
      seed: 3,
    });
    assert.equal(sample.whole, true);
    assert.equal(sample.sampled, 3 * REGION_BYTES);
  });
});
