// What a guest's memory consists of: zero pages, pages that occur twice within a chunk, and other pages by how far each shrinks
// alone. The engine counts the first two over the whole sample. A few hundred of the others are compressed one by one.

import { Buffer } from 'node:buffer';

import { openCodec } from '../../codec/registry.js';
import { readExactlyAt } from '../../io/file/positioned.js';
import { PAGE_BYTES } from '../../page/size.js';
import { isZeroPage } from '../../page/zero.js';
import { type Measurements, REFERENCE } from '../measure/measurements.js';
import type { MemoryMakeUp } from './result.js';

/** Pages of each region that are compressed alone. */
const PAGES_OF_REGION = 16;

/** A page belongs to the first class whose least ratio it reaches. */
const CLASSES = [
  { label: 'more than 8 : 1', ratio: 8 },
  { label: '4 to 8 : 1', ratio: 4 },
  { label: '2 to 4 : 1', ratio: 2 },
  { label: '1.2 to 2 : 1', ratio: 1.2 },
  { label: 'does not shrink', ratio: 0 },
] as const;

export async function makeUp(measurements: Measurements, fd: number): Promise<MemoryMakeUp> {
  const figures = measurements.figures(REFERENCE);
  let zero = 0;
  let duplicate = 0;
  let other = 0;
  const weights = CLASSES.map(() => 0);
  const codec = openCodec('zstd');
  const page = Buffer.alloc(PAGE_BYTES);
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const room = Buffer.alloc(2 * PAGE_BYTES);
  try {
    for (const [index, region] of measurements.regions.entries()) {
      const found = figures.get(index);
      if (found === undefined) continue;
      const { pages } = found;
      zero += pages.zero * region.weight;
      duplicate += pages.duplicate * region.weight;
      const rest = found.guestBytes / PAGE_BYTES - pages.zero - pages.duplicate;
      other += rest * region.weight;
      const own = CLASSES.map(() => 0);
      const step = Math.max(1, Math.floor(region.length / PAGE_BYTES / PAGES_OF_REGION)) * PAGE_BYTES;
      for (let at = 0; at + PAGE_BYTES <= region.length; at += step) {
        if (region.held === undefined) readExactlyAt(fd, page, region.offset + at);
        else page.set(region.held.bytes.subarray(at, at + PAGE_BYTES));
        if (isZeroPage(page, view, 0)) continue;
        const length = await codec.compress(room, page, 1);
        const ratio = length < 0 ? 1 : PAGE_BYTES / length;
        own[CLASSES.findIndex((each) => ratio >= each.ratio)]!++;
      }
      const looked = own.reduce((sum, each) => sum + each, 0);
      if (looked === 0) continue;
      for (const [which, count] of own.entries()) weights[which]! += (count / looked) * rest * region.weight;
    }
  } finally {
    codec.close();
  }
  const total = zero + duplicate + other;
  const seen = weights.reduce((sum, each) => sum + each, 0);
  const part = (amount: number): number => (total === 0 ? 0 : amount / total);
  return {
    zero: part(zero),
    duplicate: part(duplicate),
    classes: CLASSES.map(({ label }, which) => ({
      label,
      share: seen === 0 ? 0 : part((weights[which]! / seen) * other),
    })),
  };
}
