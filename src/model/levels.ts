// The codec levels that adaptive mode and `tune` choose from, and what each is expected to cost before anything was measured.
// Pure data; says nothing about which level is right.

import type { CodecName } from '../codec/codec.js';

/** Nanoseconds of zstd level 1 for one byte of guest memory that is neither zero nor a duplicate; first guess. */
export const ZSTD1_NS_PER_BYTE = 1.4;
/** Encoded size at zstd level 1 of such a byte; first guess. */
export const ZSTD1_SIZE = 0.25;

/** Codec time and encoded size of the same bytes, as multiples of zstd level 1's. */
export interface ExpectedCost {
  readonly time: number;
  readonly size: number;
}

export interface CodecLevel {
  readonly level: number;
  /** Absent: adaptive mode does not choose this level. */
  readonly expected?: ExpectedCost;
  /** Whether `tune` measures the level: always, or while its budget lasts. Absent: never. */
  readonly tuned?: 'always' | 'budget';
}

/**
 * Each codec's levels, fastest first. Expected costs are geometric means of an idle and a busy guest's pages, zstd 1.5.7 through
 * zstd-napi, chunks of 1 MiB. For adaptive mode, levels between these gain less than 3 % over their neighbours. `tune`
 * omits levels that hardly differ from their neighbours on guest memory (docs/CODECS.md).
 */
export const LEVELS: Readonly<Record<CodecName, readonly CodecLevel[]>> = {
  none: [{ level: 1, expected: { time: 0, size: 1 / ZSTD1_SIZE }, tuned: 'always' }],
  // zlib and lz4: only where zstd is missing or the codec was given.
  lz4: [{ level: 1, expected: { time: 0.8, size: 1.5 }, tuned: 'always' }],
  zstd: [
    { level: -50, expected: { time: 0.27, size: 2.62 } },
    { level: -20, expected: { time: 0.32, size: 1.98 }, tuned: 'budget' },
    { level: -10, expected: { time: 0.41, size: 1.72 } },
    { level: -7, tuned: 'always' },
    { level: -5, expected: { time: 0.53, size: 1.48 } },
    { level: -3, expected: { time: 0.62, size: 1.36 }, tuned: 'budget' },
    { level: -1, expected: { time: 0.74, size: 1.14 } },
    { level: 1, expected: { time: 1, size: 1 }, tuned: 'always' },
    { level: 2, expected: { time: 1.3, size: 0.975 }, tuned: 'budget' },
    { level: 3, expected: { time: 1.6, size: 0.93 }, tuned: 'always' },
    { level: 4, tuned: 'budget' },
    { level: 5, tuned: 'budget' },
    { level: 6, expected: { time: 4.4, size: 0.89 }, tuned: 'always' },
    { level: 7, tuned: 'budget' },
    { level: 8, expected: { time: 6.9, size: 0.88 }, tuned: 'budget' },
    { level: 9, tuned: 'budget' },
    { level: 10, tuned: 'budget' },
    { level: 12, tuned: 'budget' },
    { level: 14, tuned: 'budget' },
    { level: 16, tuned: 'budget' },
    { level: 17, expected: { time: 108, size: 0.83 } },
    { level: 19, expected: { time: 320, size: 0.78 }, tuned: 'budget' },
  ],
  zlib: [
    { level: 1, expected: { time: 4, size: 1.05 }, tuned: 'always' },
    { level: 6, expected: { time: 10, size: 0.98 }, tuned: 'budget' },
    { level: 9, expected: { time: 25, size: 0.96 } },
  ],
};
