// A RAM image that stands for the guest: regions of the sample, each repeated by its weight, mixed evenly. Zeros are written as
// holes. Returns how often each region is in the file; all regions are whole.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';

import { SEGMENT } from '../../chunk/segments.js';
import { bytesOf } from '../measure/input.js';
import { BYTES_OF, REGION_BYTES, type Region } from '../measure/region.js';

const PIECE = 65_536;

/** The order of the regions, so that every stretch of the image resembles the whole. */
export function mixture(weights: readonly number[], slots: number): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const due = weights.map(() => 0);
  return Array.from({ length: slots }, () => {
    let next = 0;
    for (const [index, weight] of weights.entries()) {
      due[index]! += weight / sum;
      if (due[index]! > due[next]!) next = index;
    }
    due[next]! -= 1;
    return next;
  });
}

/** A region of an image as it is; of a stream only the pages, because the image is no stream. */
function pagesOf(region: Region, fd: number): Buffer {
  const bytes = bytesOf(region, fd);
  if (region.held === undefined) return bytes;
  const { segments } = region.held;
  const pages: Buffer[] = [];
  let at = 0;
  for (let index = 0; index < segments.length; index += 2) {
    const kind = segments[index]!;
    const end = at + segments[index + 1]! * BYTES_OF[kind]!;
    if (kind === SEGMENT.pages) pages.push(bytes.subarray(at, end));
    at = end;
  }
  return pages.length === 0 ? bytes : Buffer.concat(pages);
}

export interface VerifyImage {
  readonly bytes: number;
  /** For each region, how often it is in the image. */
  readonly counts: readonly number[];
}

/** @param fd descriptor of the regions that are not held in memory */
export function writeMixture(
  path: string,
  regions: readonly Region[],
  fd: number,
  slots: number,
): VerifyImage {
  // A short last region would shift the others off their alignment.
  const whole = regions.map((region) => (region.length > REGION_BYTES / 2 ? region.weight : 0));
  const usable = whole.some((weight) => weight > 0) ? whole : regions.map(({ weight }) => weight);
  const counts = regions.map(() => 0);
  const zero = Buffer.alloc(PIECE);
  const out = fs.openSync(path, 'wx', 0o600);
  let at = 0;
  try {
    for (const index of mixture(usable, slots)) {
      counts[index]!++;
      const bytes = pagesOf(regions[index]!, fd);
      for (let done = 0; done < bytes.length; done += PIECE) {
        const piece = bytes.subarray(done, done + PIECE);
        if (!piece.equals(zero.subarray(0, piece.length))) {
          fs.writeSync(out, piece, 0, piece.length, at + done);
        }
      }
      at += bytes.length;
    }
    fs.ftruncateSync(out, at);
  } finally {
    fs.closeSync(out);
  }
  return { bytes: at, counts };
}
