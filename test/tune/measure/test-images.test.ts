// Files of zeros that take no room, one of noise, and nothing left of either.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

import { IMAGE_BYTES, makeTestImages, type TestImage } from '../../../src/tune/measure/test-images.js';

describe('makeTestImages', () => {
  it('makes smaller images of whole blocks, for a short budget', () => {
    const scratch = fs.mkdtempSync(join(tmpdir(), 'ramferry-images-test-'));
    const images = makeTestImages(scratch, 0.3);
    try {
      const sizes = (['zeros', 'fewZeros', 'random'] as const).map(
        (name) => fs.statSync(images.paths[name]).size / 1024 / 1024,
      );
      assert.deepEqual(sizes, [152, 40, 40]);
    } finally {
      images.remove();
      fs.rmSync(scratch, { recursive: true, force: true });
    }
  });

  it('makes images of the stated size, with holes for zeros', () => {
    const scratch = fs.mkdtempSync(join(tmpdir(), 'ramferry-images-test-'));
    const images = makeTestImages(scratch);
    const { paths } = images;
    try {
      for (const name of Object.keys(paths) as TestImage[]) {
        const { size, mode, blocks } = fs.statSync(paths[name]);
        assert.equal(size, IMAGE_BYTES[name]);
        assert.equal(mode & 0o077, 0);
        if (name !== 'random') assert.ok(blocks * 512 < 65_536, `${name}: ${blocks} blocks`);
      }
      images.remove();
      assert.deepEqual(fs.readdirSync(scratch), []);
      assert.equal(fs.existsSync(dirname(paths.zeros)), false);
      images.remove();
    } finally {
      images.remove();
      fs.rmSync(scratch, { recursive: true, force: true });
    }
  });
});
