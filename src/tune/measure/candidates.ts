// Which codings `tune` measures: the levels of src/model/levels.ts that this host can use, and chunk sizes. Chunks above 4 MiB are
// left out: they save a few percent on slow links and cost memory and downtime.

import { CODEC_NAMES } from '../../codec/codec.js';
import { usableCodecs } from '../../codec/features.js';
import { type CodecLevel, LEVELS } from '../../model/levels.js';
import { MIB } from '../../units.js';
import type { Coding } from './codec-rig.js';

export const USUAL_CHUNK = MIB;
/** Measured with codings that are in the running. */
export const OTHER_CHUNKS: readonly number[] = [4 * MIB];

function codings(isMeasured: (level: CodecLevel) => boolean): Coding[] {
  const usable = new Set(usableCodecs());
  return CODEC_NAMES.filter((codec) => usable.has(codec)).flatMap((codec) =>
    LEVELS[codec].filter(isMeasured).map(({ level }) => ({ codec, level, chunkSize: USUAL_CHUNK })),
  );
}

/** All codings that can be used here, each codec from its fastest level on. */
export function candidates(): Coding[] {
  return codings(({ tuned }) => tuned !== undefined);
}

/** Codings that are measured however busy the host is: enough for a table that compares. */
export function principal(): Coding[] {
  return codings(({ tuned }) => tuned === 'always');
}

/** The same coding with other chunk sizes. */
export function variants(coding: Coding): Coding[] {
  return coding.chunkSize === USUAL_CHUNK ? OTHER_CHUNKS.map((chunkSize) => ({ ...coding, chunkSize })) : [];
}
