// Data of the tune cases: the links, the sizes of the images, and the settings that are measured beside tune's choice.

import type { LinkRate } from './tables.js';

/** Bandwidths in the notation of `tune --bandwidth`; 0 = no limit. */
export const BANDWIDTH: Readonly<Record<LinkRate, string>> = {
  none: '0',
  '3gbit': '3gbit',
  '1gbit': '1gbit',
  '300mbit': '300mbit',
  '100mbit': '100mbit',
  '30mbit': '30mbit',
};

/** MiB of guest memory, chosen so that the best run takes 2 to 10 s. Images are cut or repeated to this size. */
export const SIZES: Readonly<Record<string, Readonly<Record<LinkRate, number>>>> = {
  busy: { '30mbit': 96, '100mbit': 256, '300mbit': 768, '1gbit': 2048, '3gbit': 2048, none: 4096 },
  idle: { '30mbit': 128, '100mbit': 256, '300mbit': 768, '1gbit': 2048, '3gbit': 4096, none: 8192 },
};

/** Settings near the best ones at each speed. tune's choice and the best of its alternatives are added. */
export const SWEEPS: Readonly<Record<'slow' | 'fast', readonly string[]>> = {
  slow: [
    'none 1 1MiB',
    'lz4 1 1MiB',
    'zstd 1 1MiB',
    'zstd 3 1MiB',
    'zstd 3 4MiB',
    'zstd 5 1MiB',
    'zstd 6 4MiB',
    'zstd 7 1MiB',
    'zstd 9 1MiB',
    'zstd 9 4MiB',
    'zstd 12 1MiB',
    'zstd 12 4MiB',
  ],
  fast: [
    'none 1 1MiB',
    'none 1 4MiB',
    'lz4 1 1MiB',
    'lz4 1 4MiB',
    'zstd -20 1MiB',
    'zstd -7 1MiB',
    'zstd -7 4MiB',
    'zstd -3 1MiB',
    'zstd 1 1MiB',
    'zstd 1 4MiB',
    'zstd 2 1MiB',
    'zstd 3 1MiB',
    'zstd 3 4MiB',
  ],
};
