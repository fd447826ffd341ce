// Most memory of a zstd context, by level and size of the input.
// The figures are ZSTD_estimateCCtxSize_usingCParams of zstd 1.5.7 with the window set to the input, as the bindings do.
// ZSTD_sizeof_CCtx after compressing was never above them. Touched memory is less: docs/CODECS.md.

import { KIB, MIB } from '../units.js';
import { windowLogFor } from './zstd-chunk.js';

/** Upper limits of the input sizes that have their own parameters, in bytes; the last column is for larger inputs. */
const SIZES = [128 * KIB, 256 * KIB, MIB, 4 * MIB] as const;

/** KiB by level from 1; a column for each of SIZES and one for larger inputs. */
const CONTEXT: readonly (readonly number[])[] = [
  [537, 569, 569, 569, 569],
  [633, 633, 761, 761, 761],
  [889, 1017, 1273, 1273, 1273],
  [1529, 1529, 2553, 2553, 2553],
  [1273, 2041, 3577, 3577, 3577],
  [1273, 3577, 3577, 3577, 3577],
  [1273, 3577, 6649, 6649, 6649],
  [1273, 3577, 6649, 6649, 6649],
  [1273, 3577, 12793, 12793, 12793],
  [1273, 3577, 12793, 25081, 25081],
  [1529, 3577, 12793, 25081, 25081],
  [2041, 4601, 12793, 49657, 49657],
  [2186, 3722, 16889, 33273, 33273],
  [2816, 4352, 16889, 49657, 49657],
  [2816, 4352, 16889, 66041, 66041],
  [2816, 5376, 17034, 33418, 33418],
  [2816, 5376, 17034, 49802, 49802],
  [2816, 5376, 17664, 50432, 50432],
  [2816, 5376, 17664, 50432, 83200],
];

/** ZSTD_estimateDCtxSize is 94 KiB: the tables and one block of literals. */
const DECODER_BYTES = 96 * KIB;

/**
 * Bytes of one compression context; levels below 1 need no more than level 1.
 * @param longDistance with long-distance matching
 */
export function zstdEncoderMemory(level: number, size: number, longDistance = false): number {
  const row = CONTEXT[Math.min(Math.max(level, 1), CONTEXT.length) - 1] ?? [];
  const column = SIZES.findIndex((limit) => size <= limit);
  return (row.at(column) ?? 0) * KIB + (longDistance ? longDistanceMemory(size) : 0);
}

/** Tables of long-distance matching: 8 bytes for every 128 of the window, for every 16 at the highest levels (ZSTD_ldm_adjustParameters). */
function longDistanceMemory(size: number): number {
  return 2 ** windowLogFor(size) / 2;
}

/**
 * Bytes of one compression and one decompression context.
 * @param longDistance with long-distance matching
 */
export function zstdContexts(level: number, size: number, longDistance = false): number {
  return zstdEncoderMemory(level, size, longDistance) + DECODER_BYTES;
}
