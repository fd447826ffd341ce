// Which codings are worth a try. Levels that hardly differ from their neighbours on guest memory are left out
// (docs/CODECS.md); so are chunks above 4 MiB: they save a few percent on slow links and cost memory and downtime.

import { CODEC_NAMES, type CodecName } from '../../codec/codec.js';
import { usableCodecs } from '../../codec/features.js';
import { MIB } from '../../units.js';
import type { Coding } from './codec-rig.js';

const LEVELS: Readonly<Record<CodecName, readonly number[]>> = {
  none: [1],
  lz4: [1],
  zstd: [-20, -7, -3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 19],
  zlib: [1, 6],
};

export const USUAL_CHUNK = MIB;
/** Tried with codings that are in the running. */
export const OTHER_CHUNKS: readonly number[] = [4 * MIB];

/** All that can be used here, each codec from its fastest level on. */
export function candidates(): Coding[] {
  const usable = new Set(usableCodecs());
  return CODEC_NAMES.filter((codec) => usable.has(codec)).flatMap((codec) =>
    LEVELS[codec].map((level) => ({ codec, level, chunkSize: USUAL_CHUNK })),
  );
}

/** Those that are measured however busy the host: enough for a table that compares. */
export function principal(all: readonly Coding[] = candidates()): Coding[] {
  const levels: Readonly<Record<CodecName, readonly number[]>> = {
    none: [1],
    lz4: [1],
    zstd: [-7, 1, 3, 6],
    zlib: [1],
  };
  return all.filter(({ codec, level }) => levels[codec].includes(level));
}

export function variants(coding: Coding): Coding[] {
  return coding.chunkSize === USUAL_CHUNK ? OTHER_CHUNKS.map((chunkSize) => ({ ...coding, chunkSize })) : [];
}
