// The page functions over pages of the image: zero-page detection, fingerprint, search for duplicates.

import { DuplicateFinder } from '../../src/page/duplicates.js';
import { fingerprint } from '../../src/page/fingerprint.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { isZeroPage } from '../../src/page/zero.js';
import { measure } from '../support/measure.js';
import { SAMPLE_CHUNK, sampleChunks } from '../support/sample.js';
import { round, type Suite } from '../support/suite.js';

const CHUNKS = 16;
const PAGES = SAMPLE_CHUNK / PAGE_BYTES;

export const pages: Suite = {
  name: 'pages',
  summary: 'zero scan, fingerprint and search for duplicates, page by page',
  run: async ({ image, report }) => {
    const chunks = sampleChunks(image, CHUNKS).map((bytes) => ({
      bytes,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    }));
    const zeros = Buffer.alloc(SAMPLE_CHUNK);
    const zeroView = new DataView(zeros.buffer, zeros.byteOffset, zeros.byteLength);
    const finder = new DuplicateFinder(PAGES);
    const results = await measure({
      'zero, pages of the image': () => {
        let found = 0;
        for (const { bytes, view } of chunks) {
          for (let at = 0; at < SAMPLE_CHUNK; at += PAGE_BYTES) if (isZeroPage(bytes, view, at)) found++;
        }
        return found;
      },
      'zero, zero pages': () => {
        let found = 0;
        for (let turn = 0; turn < CHUNKS; turn++) {
          for (let at = 0; at < SAMPLE_CHUNK; at += PAGE_BYTES) if (isZeroPage(zeros, zeroView, at)) found++;
        }
        return found;
      },
      fingerprint: () => {
        let mixed = 0;
        for (const { view } of chunks) {
          for (let at = 0; at < SAMPLE_CHUNK; at += PAGE_BYTES) mixed ^= fingerprint(view, at);
        }
        return mixed;
      },
      duplicates: () => {
        let found = 0;
        for (const { bytes, view } of chunks) {
          finder.begin();
          for (let index = 0; index < PAGES; index++) {
            if (finder.find(bytes, view, index, index * PAGE_BYTES) >= 0) found++;
          }
        }
        return found;
      },
    });
    const bytes = chunks.length * SAMPLE_CHUNK;
    report({
      title: 'Page functions',
      columns: ['function', 'ns a page', 'median', 'GB/s'],
      rows: results.map(({ name, best, typical }) => [
        name,
        round((best / (bytes / PAGE_BYTES)) * 1e9),
        round((typical / (bytes / PAGE_BYTES)) * 1e9),
        round(bytes / best / 1e9, 1),
      ]),
      note: `${chunks.length} chunks of 1 MiB from all over the image, one after the other`,
    });
  },
};
