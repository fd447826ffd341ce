// The guest's RAM: loading its contents, its memory use, and its hash.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { checksum } from '../../src/chunk/checksum.js';
import { generateImage } from '../../src/image/image.js';
import { createGuest } from '../../src/guest/guest.js';
import { generatedRam, GuestRam, loadRam } from '../../src/guest/ram.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { MIB } from '../../src/units.js';
import { code } from './harness.js';

describe('GuestRam', () => {
  it('reads an image file unchanged, across segments', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ramferry-ram-'));
    try {
      const path = join(folder, 'guest.ram');
      const options = { bytes: 9 * MIB + PAGE_BYTES, seed: 4, profile: 'idle' } as const;
      const image = Buffer.concat([...generateImage(options)]);
      await writeFile(path, image);
      const ram = await loadRam(path);
      assert.equal(ram.pages, image.length / PAGE_BYTES);
      assert.ok(Buffer.concat([...ram.pieces()]).equals(image));
      assert.equal(ram.hash(), checksum(image));
      assert.equal(generatedRam(options).hash(), ram.hash());
      const guest = await createGuest({ format: 'libxc-pv', memory: { path }, seed: 1 });
      assert.equal(guest.ram.hash(), ram.hash());
      await writeFile(path, image.subarray(1));
      await assert.rejects(loadRam(path), code('ERR_OPTION_INVALID'));
      await assert.rejects(loadRam(folder), code('ERR_INPUT_READ', 'ERR_OPTION_INVALID'));
      await assert.rejects(loadRam(join(folder, 'absent')), code('ERR_INPUT_OPEN'));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('hashes zero pages alike, written or never touched', () => {
    const touched = new GuestRam(3000);
    touched.page(2500).fill(0);
    const untouched = new GuestRam(3000);
    assert.equal(touched.hash(), untouched.hash());
    untouched.page(2999)[PAGE_BYTES - 1] = 1;
    assert.notEqual(touched.hash(), untouched.hash());
    assert.notEqual(new GuestRam(2999).hash(), touched.hash());
  });

  it('recognises zero pages, clears and copies', () => {
    const ram = new GuestRam(2000);
    const copy = Buffer.alloc(2 * PAGE_BYTES, 7);
    ram.copyPage(1500, copy, 100);
    assert.ok(copy.subarray(100, 100 + PAGE_BYTES).every((byte) => byte === 0));
    assert.equal(copy[99], 7);
    assert.equal(copy[100 + PAGE_BYTES], 7);
    assert.ok(ram.isZero(1500));
    ram.page(1500)[2049] = 1;
    assert.ok(!ram.isZero(1500));
    assert.ok(ram.isZero(1499) && ram.isZero(1501));
    ram.clear(1500);
    assert.ok(ram.isZero(1500));
  });

  it('clears pages with contents among pages never touched', () => {
    const ram = new GuestRam(4);
    ram.page(0).fill(1);
    ram.setPage(2, Buffer.alloc(2 * PAGE_BYTES, 3), PAGE_BYTES);
    ram.write(0, Buffer.concat([Buffer.alloc(PAGE_BYTES), Buffer.alloc(2 * PAGE_BYTES, 5)]));
    assert.deepEqual(
      [0, 1, 2, 3].map((page) => ram.isZero(page)),
      [true, false, false, true],
    );
    assert.deepEqual(
      [0, 1, 2, 3].map((page) => ram.page(page)[PAGE_BYTES - 1]),
      [0, 5, 5, 0],
    );
  });

  it('refuses pages beyond its end', () => {
    const ram = new GuestRam(10, 20);
    assert.throws(() => ram.page(10), RangeError);
    assert.throws(() => ram.page(-1), RangeError);
    assert.throws(() => ram.write(9, Buffer.alloc(2 * PAGE_BYTES)), RangeError);
    ram.grow(20);
    ram.page(19)[0] = 1;
    ram.grow(5);
    assert.equal(ram.pages, 20);
    assert.throws(() => ram.grow(21), code('ERR_STREAM_LIMIT'));
  });
});
