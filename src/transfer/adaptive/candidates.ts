// What the adaptive controller may choose from, cheapest first, with the cost that is expected of each before anything was
// measured. Pure data; says nothing about which candidate is right.

import type { CodecName } from '../../codec/codec.js';
import { type ExpectedCost, LEVELS } from '../../model/levels.js';

/** How one chunk is coded. Level 0 of any codec is `none`. */
export interface Coding {
  readonly codec: CodecName;
  readonly level: number;
}

/** A coding and its expected cost, as multiples of zstd level 1's. */
export interface Candidate extends Coding, ExpectedCost {}

/** What may be chosen. */
export interface Bounds {
  /** Codecs that both sides have. */
  readonly codecs: readonly CodecName[];
  /** Whether a chunk may go without a codec. */
  readonly none: boolean;
  readonly maxLevel: number;
}

function candidatesOf(codec: CodecName): Candidate[] {
  return LEVELS[codec].flatMap(({ level, expected }) =>
    expected === undefined ? [] : [{ codec, level, ...expected }],
  );
}

/** Cheapest first. Empty when there is nothing to choose. */
export function candidates({ codecs, none, maxLevel }: Bounds): Candidate[] {
  const [codec] = codecs;
  const coded = codec === undefined || codec === 'none' ? [] : candidatesOf(codec);
  return [...(none ? candidatesOf('none') : []), ...coded.filter(({ level }) => level <= maxLevel)];
}

/** Where to begin while nothing is known: at the wanted level, or the nearest below that is allowed. */
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
