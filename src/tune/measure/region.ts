// A region: a few MiB of the guest's stream, the unit of sampling. Cut into chunks of any size that divides it, so that
// candidates with different chunk sizes are compared on the same bytes. Knows no codec and no time.

import type { Buffer } from 'node:buffer';

import { SEGMENT } from '../../chunk/segments.js';
import { PAGE_BYTES } from '../../page/size.js';
import { MIB } from '../../units.js';

/** Bytes of a region; the last one of an input may be shorter. Every measured chunk size divides it. */
export const REGION_BYTES = 4 * MIB;

/** Pairs of (kind, count), as in a slot (src/chunk/segments.ts). */
export type Segments = readonly number[];

export interface Region {
  /** How many regions of the input this one stands for. */
  readonly weight: number;
  readonly length: number;
  /** Position in the input. */
  readonly offset: number;
  /** Looked empty when the sample was drawn: a stratum of its own. */
  readonly empty?: boolean;
  /** The bytes and their segments; absent where the workers read them from the file, as `send` does. */
  readonly held?: { readonly bytes: Buffer; readonly segments: Segments };
}

/** A chunk of a region. */
export interface Piece {
  /** From the region's start. */
  readonly start: number;
  readonly length: number;
  readonly segments: Segments;
}

/** Bytes of one of each kind. */
export const BYTES_OF: Readonly<Record<number, number>> = {
  [SEGMENT.skeleton]: 1,
  [SEGMENT.wordsLE]: 8,
  [SEGMENT.wordsBE]: 8,
  [SEGMENT.pages]: PAGE_BYTES,
};

/** The segments of `length` bytes of a RAM image. */
export function imageSegments(length: number): Segments {
  const pages = Math.floor(length / PAGE_BYTES);
  const tail = length - pages * PAGE_BYTES;
  return [...(pages === 0 ? [] : [SEGMENT.pages, pages]), ...(tail === 0 ? [] : [SEGMENT.skeleton, tail])];
}

/** Cuts a region into chunks of at most `chunkSize` bytes, between pages and between words. */
export function piecesOf(region: Region, chunkSize: number): Piece[] {
  const segments = region.held?.segments ?? imageSegments(region.length);
  const pieces: Piece[] = [];
  let own: number[] = [];
  let start = 0;
  let length = 0;
  const cut = (): void => {
    if (length === 0) return;
    pieces.push({ start, length, segments: own });
    start += length;
    length = 0;
    own = [];
  };
  for (let index = 0; index < segments.length; index += 2) {
    const kind = segments[index]!;
    const unit = BYTES_OF[kind]!;
    let left = segments[index + 1]!;
    while (left > 0) {
      const fits = Math.min(left, Math.floor((chunkSize - length) / unit));
      if (fits === 0) {
        cut();
        continue;
      }
      own.push(kind, fits);
      length += fits * unit;
      left -= fits;
    }
  }
  cut();
  return pieces;
}
