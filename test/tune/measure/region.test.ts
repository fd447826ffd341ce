import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { SEGMENT } from '../../../src/chunk/segments.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { imageSegments, piecesOf, type Region } from '../../../src/tune/measure/region.js';

describe('regions', () => {
  it('of an image hold pages and the rest of one', () => {
    assert.deepEqual(imageSegments(3 * PAGE_BYTES), [SEGMENT.pages, 3]);
    assert.deepEqual(imageSegments(PAGE_BYTES + 5), [SEGMENT.pages, 1, SEGMENT.skeleton, 5]);
    assert.deepEqual(imageSegments(7), [SEGMENT.skeleton, 7]);
  });

  it('are cut between pages, without loss', () => {
    const segments = [SEGMENT.skeleton, 100, SEGMENT.pages, 5, SEGMENT.wordsLE, 3, SEGMENT.pages, 40];
    const length = 100 + 5 * PAGE_BYTES + 24 + 40 * PAGE_BYTES;
    const region: Region = { weight: 1, length, offset: 0, held: { bytes: Buffer.alloc(length), segments } };
    const pieces = piecesOf(region, 16 * PAGE_BYTES);
    assert.equal(
      pieces.reduce((sum, piece) => sum + piece.length, 0),
      length,
    );
    let at = 0;
    for (const piece of pieces) {
      assert.equal(piece.start, at);
      assert.ok(piece.length <= 16 * PAGE_BYTES);
      at += piece.length;
    }
    const pages = pieces.flatMap(({ segments: own }) =>
      own.filter((_, index) => index % 2 === 1 && own[index - 1] === SEGMENT.pages),
    );
    assert.equal(
      pages.reduce((sum, each) => sum + each, 0),
      45,
    );
  });
});
