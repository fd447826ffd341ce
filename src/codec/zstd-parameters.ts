// What each level sets in zstd's encoder, as pairs of parameter and value, the same for every binding that can set them.
// On guest memory, settings other than zstd's own give fewer bytes for the same processor time (docs/CODECS.md).

import { KIB, MIB } from '../units.js';
import { windowLogFor } from './zstd-chunk.js';

/** Parameters of ZSTD_CCtx_setParameter. The numbers are those of zstd.h, part of its ABI. */
export const ZSTD_PARAMETER = {
  compressionLevel: 100,
  windowLog: 101,
  hashLog: 102,
  chainLog: 103,
  searchLog: 104,
  minMatch: 105,
  targetLength: 106,
  strategy: 107,
  longDistance: 160,
  checksum: 201,
  /** ZSTD_c_useBlockSplitter; 2 = never. */
  blockSplitter: 1010,
} as const;

/** ZSTD_strategy. */
const STRATEGY = { fast: 1, dfast: 2, greedy: 3, lazy: 4, lazy2: 5 } as const;

/** Settings in place of a level's own; what is absent or 0 stays the level's own. */
export interface ZstdSettings {
  readonly strategy?: number;
  readonly hashLog?: number;
  readonly chainLog?: number;
  readonly searchLog?: number;
  readonly minMatch?: number;
  readonly targetLength?: number;
}

/**
 * zstd has tables of its own for smaller inputs, which are as good. In larger ones more memory finds more. (The settings were
 * measured with bodies of 64 KiB to 4 MiB.)
 */
const LARGER_THAN = 256 * KIB;
const UP_TO = 4 * MIB;

const NONE: ZstdSettings = {};

/** From the Pareto front of bytes against processor time of both ends. Absent: zstd's own are on it. */
const SETTINGS: Readonly<Record<number, ZstdSettings>> = {
  1: { hashLog: 13, minMatch: 5 },
  2: { strategy: STRATEGY.dfast, hashLog: 14, chainLog: 14, minMatch: 5 },
  4: { strategy: STRATEGY.greedy, hashLog: 16, searchLog: 4, minMatch: 4, targetLength: 2 },
  5: { strategy: STRATEGY.lazy, hashLog: 16, searchLog: 2, minMatch: 4, targetLength: 4 },
  6: { strategy: STRATEGY.lazy, hashLog: 17, searchLog: 3, minMatch: 4, targetLength: 4 },
  7: { strategy: STRATEGY.lazy2, hashLog: 18, searchLog: 3, minMatch: 4, targetLength: 8 },
  8: { strategy: STRATEGY.lazy2, hashLog: 18, searchLog: 4, minMatch: 4, targetLength: 32 },
  9: { strategy: STRATEGY.lazy2, hashLog: 18, searchLog: 5, minMatch: 4, targetLength: 16 },
  10: { strategy: STRATEGY.lazy2, hashLog: 19, searchLog: 5, minMatch: 4, targetLength: 16 },
  11: { strategy: STRATEGY.lazy2, hashLog: 19, searchLog: 6, minMatch: 4, targetLength: 16 },
  12: { strategy: STRATEGY.lazy2, hashLog: 20, searchLog: 6, minMatch: 4, targetLength: 16 },
};

/** A level's settings for bodies of `size` bytes. */
export function zstdSettings(level: number, size: number): ZstdSettings {
  if (size <= LARGER_THAN || size > UP_TO) return NONE;
  // The target length of a negative level is its acceleration. Here it is one less, for a smaller table and longer matches.
  if (level < -1) return { hashLog: 12, minMatch: 7, targetLength: -level - 1 };
  return SETTINGS[level] ?? NONE;
}

/** What a frame is to be. */
export interface ZstdRequest {
  readonly level: number;
  /** Bytes of its content. */
  readonly size: number;
  readonly checksum: boolean;
  readonly longDistance: boolean;
}

/** The encoder's parameters, each with its value; 0 = what zstd's level has. The same parameters for every request. */
export function zstdParameters({ level, size, checksum, longDistance }: ZstdRequest): [number, number][] {
  const settings = zstdSettings(level, size);
  return [
    [ZSTD_PARAMETER.compressionLevel, level],
    // A window that covers the input makes the frame a single segment, at no measurable cost.
    [ZSTD_PARAMETER.windowLog, windowLogFor(size)],
    [ZSTD_PARAMETER.strategy, settings.strategy ?? 0],
    [ZSTD_PARAMETER.hashLog, settings.hashLog ?? 0],
    [ZSTD_PARAMETER.chainLog, settings.chainLog ?? 0],
    [ZSTD_PARAMETER.searchLog, settings.searchLog ?? 0],
    [ZSTD_PARAMETER.minMatch, settings.minMatch ?? 0],
    [ZSTD_PARAMETER.targetLength, settings.targetLength ?? 0],
    [ZSTD_PARAMETER.checksum, checksum ? 1 : 0],
    [ZSTD_PARAMETER.longDistance, longDistance ? 1 : 0],
  ];
}

/** The parameters of one encoder. The encoder keeps them: only changes cross into native code. */
export class EncoderParameters {
  readonly #set: (parameter: number, value: number) => void;
  readonly #current = new Map<number, number>();

  /** @param set sets a parameter of the encoder, in which all are 0 so far */
  constructor(set: (parameter: number, value: number) => void) {
    this.#set = set;
  }

  /** Sets what the request asks for. */
  apply(request: ZstdRequest): void {
    for (const [parameter, value] of zstdParameters(request)) this.set(parameter, value);
  }

  set(parameter: number, value: number): void {
    if ((this.#current.get(parameter) ?? 0) === value) return;
    this.#set(parameter, value);
    this.#current.set(parameter, value);
  }
}
