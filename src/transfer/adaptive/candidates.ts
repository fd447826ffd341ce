// What the adaptive controller may choose from, cheapest first, and what is expected of each before anything was measured.
// Pure data; says nothing about which one is right.

import type { CodecName } from '../../codec/codec.js';

/** How one chunk is coded. Level 0 of any codec is `none`. */
export interface Coding {
  readonly codec: CodecName;
  readonly level: number;
}

export interface Candidate extends Coding {
  /** Expected time in the codec for the same bytes, as a multiple of zstd level 1's. */
  readonly time: number;
  /** Expected encoded size of the same bytes, likewise. */
  readonly size: number;
}

/** What may be chosen. */
export interface Bounds {
  /** Codecs that both sides have. */
  readonly codecs: readonly CodecName[];
  /** Whether a chunk may go without a codec. */
  readonly none: boolean;
  readonly maxLevel: number;
}

/** Time of zstd level 1 for one byte of guest memory that is neither zero nor a duplicate; nanoseconds, first guess. */
export const FIRST_TIME = 1.4;
/** Encoded size at zstd level 1 of such a byte; first guess. */
export const FIRST_SIZE = 0.25;

/**
 * level, time, size. Geometric means of an idle and a busy guest's pages, zstd 1.5.7 through zstd-napi, chunks of 1 MiB.
 * Levels between these gain less than 3 % over their neighbours.
 */
const ZSTD: readonly (readonly [level: number, time: number, size: number])[] = [
  [-50, 0.27, 2.62],
  [-20, 0.32, 1.98],
  [-10, 0.41, 1.72],
  [-5, 0.53, 1.48],
  [-3, 0.62, 1.36],
  [-1, 0.74, 1.14],
  [1, 1, 1],
  [2, 1.3, 0.975],
  [3, 1.6, 0.93],
  [6, 4.4, 0.89],
  [8, 6.9, 0.88],
  [17, 108, 0.83],
  [19, 320, 0.78],
];

/** Codecs without a fast native context of their own; only where zstd is missing or another codec was asked for. */
const OTHERS: Readonly<Partial<Record<CodecName, typeof ZSTD>>> = {
  lz4: [[1, 0.8, 1.5]],
  zlib: [
    [1, 4, 1.05],
    [6, 10, 0.98],
    [9, 25, 0.96],
  ],
};

const NONE: Candidate = { codec: 'none', level: 1, time: 0, size: 1 / FIRST_SIZE };

/** Cheapest first. Empty when there is nothing to choose. */
export function candidates({ codecs, none, maxLevel }: Bounds): Candidate[] {
  const [codec] = codecs;
  const levels = codec === 'zstd' ? ZSTD : codec === undefined ? [] : (OTHERS[codec] ?? []);
  const found = levels
    .filter(([level]) => level <= maxLevel)
    .map(([level, time, size]) => ({ codec: codec!, level, time, size }));
  return none ? [NONE, ...found] : found;
}

/** Where to begin while nothing is known: at the level that is fast and small, or the nearest below that is allowed. */
export function firstCandidate(list: readonly Candidate[], wanted = 1): number {
  let found = 0;
  list.forEach(({ codec, level }, index) => {
    if (codec !== 'none' && (level <= wanted || list[found]!.codec === 'none')) found = index;
  });
  return found;
}

/** `zstd 3`, `none`. */
export function codingName({ codec, level }: Coding): string {
  return codec === 'none' || codec === 'lz4' ? codec : `${codec} ${level}`;
}
