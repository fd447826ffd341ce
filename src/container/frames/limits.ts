// Limits and magic numbers of method `stream` (docs/FRAMES.md explains them). Sizes are in bytes.

import { KIB, MIB } from '../../units.js';

/** Largest decoded chunk that a receiver accepts from an announced or a pzstd stream. */
export const MAX_CHUNK_DECODED = 64 * MIB;

/** Default limit of a foreign zstd frame's window: `zstd --long=27` writes it, and `zstd -d` accepts it without options. */
export const DEFAULT_ZSTD_WINDOW = 2 ** 27;

/** Largest window of a foreign zstd frame under any memory limit: ZSTD_WINDOWLOG_MAX of 64-bit libzstd. */
export const MAX_ZSTD_WINDOW = 2 ** 31;

/** Frames and blocks of a foreign stream that may be empty before MIN_BYTES_PER_ITEM applies. */
export const FREE_ITEMS = 4096;

/** Minimum average of decoded bytes per frame or block beyond FREE_ITEMS. The receiver refuses a stream below it. */
export const MIN_BYTES_PER_ITEM = 64;

/** pzstd divides its input into pieces of at most this many windows (`calculateStep` of contrib/pzstd). */
export const PZSTD_WINDOWS_PER_FRAME = 4;

/** Largest decoded size of a frame without a streaming zstd binding, which holds one whole frame. */
export const MAX_WHOLE_FRAME = 64 * MIB;

/** Longest gzip member header that the decoder accepts: extra field, name and comment together. */
export const MAX_GZIP_HEADER = 256 * KIB;

/** Most bytes that `FrameSplitter.next` and `detectLayout` need for a decision. */
export const MAX_UNIT_HEAD = 72;

export const MAGIC = {
  zstd: 0xfd2fb528,
  lz4: 0x184d2204,
  lz4Legacy: 0x184c2102,
  /** The first of the sixteen magic numbers of skippable frames. pzstd uses it. */
  pzstd: 0x184d2a50,
  /** The skippable frames of ramferry's records. */
  ramferry: 0x184d2a5b,
} as const;

/** Whether the magic is one of 0x184D2A50 to 0x184D2A5F. Decoders of zstd and lz4 skip such frames. */
export function isSkippable(magic: number): boolean {
  return magic >>> 4 === MAGIC.pzstd >>> 4;
}

const GZIP_START = [0x1f, 0x8b, 8];

/** Whether these first bytes of a frame, at most 4, are a prefix of a known magic. */
export function beginsSomeFrame(bytes: Uint8Array): boolean {
  const fits = (start: readonly number[]): boolean =>
    bytes.every((byte, at) => at >= start.length || byte === start[at]);
  if (fits(GZIP_START)) return true;
  const magics: number[] = [MAGIC.zstd, MAGIC.lz4, MAGIC.lz4Legacy];
  for (let i = 0; i < 16; i += 1) magics.push(MAGIC.pzstd + i);
  return magics.some((magic) =>
    fits([magic & 0xff, (magic >>> 8) & 0xff, (magic >>> 16) & 0xff, magic >>> 24]),
  );
}
