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
 * zstd-napi, chunks of 1 MiB (`npm run bench -- zstd-parameters`). For adaptive mode, levels between these gain less than 3 % over
 * their neighbours. `tune` omits levels that hardly differ from their neighbours on guest memory (docs/CODECS.md).
 */
export const LEVELS: Readonly<Record<CodecName, readonly CodecLevel[]>> = {
  none: [{ level: 1, expected: { time: 0, size: 1 / ZSTD1_SIZE }, tuned: 'always' }],
  // zlib and lz4: only where zstd is missing or the codec was given.
  lz4: [{ level: 1, expected: { time: 0.8, size: 1.5 }, tuned: 'always' }],
  zstd: [
    { level: -50, expected: { time: 0.25, size: 2.6 } },
    { level: -20, expected: { time: 0.33, size: 2.29 }, tuned: 'budget' },
    { level: -10, expected: { time: 0.41, size: 1.95 } },
    { level: -7, tuned: 'always' },
    { level: -5, expected: { time: 0.55, size: 1.55 } },
    { level: -3, expected: { time: 0.63, size: 1.35 }, tuned: 'budget' },
    { level: -2, expected: { time: 0.7, size: 1.24 } },
    { level: -1, expected: { time: 0.82, size: 1.17 } },
    { level: 1, expected: { time: 1, size: 1 }, tuned: 'always' },
    { level: 2, expected: { time: 1.38, size: 0.977 }, tuned: 'budget' },
    { level: 3, expected: { time: 2.1, size: 0.957 }, tuned: 'always' },
    { level: 4, tuned: 'budget' },
    { level: 5, expected: { time: 4.5, size: 0.9 }, tuned: 'always' },
    { level: 6, tuned: 'budget' },
    { level: 7, tuned: 'budget' },
    { level: 8, expected: { time: 7, size: 0.88 }, tuned: 'budget' },
    { level: 9, tuned: 'budget' },
    { level: 10, tuned: 'budget' },
    { level: 12, tuned: 'budget' },
    { level: 14, tuned: 'budget' },
    { level: 16, tuned: 'budget' },
    { level: 17, expected: { time: 100, size: 0.85 } },
    { level: 19, expected: { time: 300, size: 0.81 }, tuned: 'budget' },
  ],
  zlib: [
    { level: 1, expected: { time: 4, size: 1.05 }, tuned: 'always' },
    { level: 6, expected: { time: 10, size: 0.98 }, tuned: 'budget' },
    { level: 9, expected: { time: 25, size: 0.96 } },
  ],
};
