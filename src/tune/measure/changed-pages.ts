// Pages that a guest has changed between two images of it: a live migration sends these again. Takes regions of the newer image and
// reads the same places of the older one. Returns as much of both as fits a bound, page for page.

import { Buffer } from 'node:buffer';

import { readExactlyAt } from '../../io/file/positioned.js';
import { PAGE_BYTES } from '../../page/size.js';
import { REGION_BYTES, type Region } from './region.js';
import { imageSegments } from './region.js';

/** Most bytes of changed pages that are kept. */
const MOST_BYTES = 8 * REGION_BYTES;

export interface ChangedPages {
  /** Share of the compared pages that differ. */
  readonly share: number;
  /** The newer contents, as regions that are held in memory. */
  readonly regions: readonly Region[];
  /** The older contents, in the same order. */
  readonly before: Buffer;
}

/** @param regions of both images, spread over them; compared in this order */
export function changedPages(newer: number, older: number, regions: readonly Region[]): ChangedPages {
  const after = Buffer.allocUnsafe(MOST_BYTES);
  const before = Buffer.allocUnsafe(MOST_BYTES);
  const now = Buffer.allocUnsafe(REGION_BYTES);
  const then = Buffer.allocUnsafe(REGION_BYTES);
  let kept = 0;
  let changed = 0;
  let looked = 0;
  for (const { offset, length } of regions) {
    readExactlyAt(newer, now.subarray(0, length), offset);
    readExactlyAt(older, then.subarray(0, length), offset);
    for (let at = 0; at + PAGE_BYTES <= length; at += PAGE_BYTES) {
      looked++;
      const page = now.subarray(at, at + PAGE_BYTES);
      if (then.compare(page, 0, PAGE_BYTES, at, at + PAGE_BYTES) === 0) continue;
      changed++;
      if (kept === MOST_BYTES) continue;
      after.set(page, kept);
      before.set(then.subarray(at, at + PAGE_BYTES), kept);
      kept += PAGE_BYTES;
    }
  }
  const found: Region[] = [];
  for (let offset = 0; offset < kept; offset += REGION_BYTES) {
    const bytes = after.subarray(offset, Math.min(kept, offset + REGION_BYTES));
    const held = { bytes, segments: imageSegments(bytes.length) };
    found.push({ weight: 1, offset, length: bytes.length, held });
  }
  return { share: looked === 0 ? 0 : changed / looked, regions: found, before: before.subarray(0, kept) };
}
