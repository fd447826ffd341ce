// Generated images: the same for a seed, like the guests whose shares they have, and private on disk.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { deflateSync } from 'node:zlib';
import { RamferryError } from '../../src/errors.js';
import { generateImage, writeImage } from '../../src/image/image.js';
import type { ImageProfile } from '../../src/image/profiles.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { MIB } from '../../src/units.js';

function whole(bytes: number, seed: number, profile: ImageProfile): Buffer {
  return Buffer.concat([...generateImage({ bytes, seed, profile })]);
}

function shares(image: Buffer): { zero: number; duplicate: number } {
  const zeros = Buffer.alloc(PAGE_BYTES);
  const seen = new Set<string>();
  let zero = 0;
  let duplicate = 0;
  for (let at = 0; at < image.length; at += PAGE_BYTES) {
    const page = image.subarray(at, at + PAGE_BYTES);
    if (page.equals(zeros)) {
      zero++;
      continue;
    }
    const digest = createHash('sha1').update(page).digest('base64');
    if (seen.has(digest)) duplicate++;
    seen.add(digest);
  }
  const pages = image.length / PAGE_BYTES;
  return { zero: zero / pages, duplicate: duplicate / pages };
}

/** Mean zlib level 1 ratio of the non-zero pages, one page at a time, over every eighth page. */
function ratioPerPage(image: Buffer): number {
  const zeros = Buffer.alloc(PAGE_BYTES);
  let plain = 0;
  let packed = 0;
  for (let at = 0; at < image.length; at += 8 * PAGE_BYTES) {
    const page = image.subarray(at, at + PAGE_BYTES);
    if (page.equals(zeros)) continue;
    plain += PAGE_BYTES;
    packed += deflateSync(page, { level: 1 }).length;
  }
  return plain / packed;
}

describe('generateImage', () => {
  it('gives the same bytes for the same seed, others for another', () => {
    const first = whole(8 * MIB, 7, 'idle');
    assert.ok(first.equals(whole(8 * MIB, 7, 'idle')));
    assert.ok(!first.equals(whole(8 * MIB, 8, 'idle')));
    assert.ok(!first.equals(whole(8 * MIB, 7, 'busy')));
  });

  it('gives the bytes of earlier releases', () => {
    const digest = (profile: ImageProfile) =>
      createHash('sha256')
        .update(whole(MIB, 1, profile))
        .digest('hex');
    assert.equal(digest('idle').slice(0, 16), 'de968c7a7471ae65');
    assert.equal(digest('busy').slice(0, 16), 'bea0258c8172f0c0');
  });

  it('gives exactly the requested size, in pieces of whole pages', () => {
    for (const bytes of [
      PAGE_BYTES,
      3 * PAGE_BYTES,
      MIB - PAGE_BYTES,
      MIB,
      MIB + PAGE_BYTES,
      5 * MIB + 3 * PAGE_BYTES,
    ]) {
      let sum = 0;
      for (const chunk of generateImage({ bytes, seed: 3, profile: 'busy' })) {
        assert.equal(chunk.length % PAGE_BYTES, 0);
        assert.ok(chunk.length <= MIB);
        sum += chunk.length;
      }
      assert.equal(sum, bytes);
    }
  });

  it('idle: has the zero pages and duplicates of an idle guest', () => {
    const { zero, duplicate } = shares(whole(64 * MIB, 1, 'idle'));
    assert.ok(Math.abs(zero - 0.59) < 0.04, `zero ${zero}`);
    assert.ok(Math.abs(duplicate - 0.087) < 0.03, `duplicate ${duplicate}`);
  });

  it('busy: has few zero pages and compresses 2.7 times, like a database guest', () => {
    const image = whole(64 * MIB, 1, 'busy');
    const { zero, duplicate } = shares(image);
    assert.ok(Math.abs(zero - 0.04) < 0.02, `zero ${zero}`);
    assert.ok(Math.abs(duplicate - 0.025) < 0.015, `duplicate ${duplicate}`);
    const ratio = ratioPerPage(image);
    assert.ok(Math.abs(ratio - 2.7) < 0.3, `ratio ${ratio}`);
  });

  it('refuses sizes that are not whole pages', () => {
    for (const bytes of [0, -4096, 4097, 1.5, Number.NaN]) {
      assert.throws(
        () => [...generateImage({ bytes, seed: 1, profile: 'idle' })],
        (error) => error instanceof RamferryError && error.code === 'ERR_OPTION_INVALID',
      );
    }
  });

  it('writes a file only its owner may read, and leaves no temporary behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ramferry-image-'));
    try {
      const path = join(folder, 'guest.ram');
      await writeImage(path, { bytes: 2 * MIB, seed: 5, profile: 'idle' });
      assert.ok((await readFile(path)).equals(whole(2 * MIB, 5, 'idle')));
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      await assert.rejects(
        writeImage(join(folder, 'absent', 'x'), { bytes: PAGE_BYTES, seed: 5, profile: 'idle' }),
        (error) => error instanceof RamferryError && error.code === 'ERR_OUTPUT_OPEN',
      );
      assert.deepEqual(await readdir(folder), ['guest.ram']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
