// Limits and magics of method `stream`, each in one place (docs/FRAMES.md explains them).
// Sizes are bytes.

import { MIB } from '../../units.js';

/** Largest decoded chunk that a receiver accepts from an announced or a pzstd stream. */
export const MAX_CHUNK_DECODED = 64 * MIB;

/** Default window of a foreign zstd frame: what `zstd --long=27` writes and `zstd -d` takes without options. */
export const DEFAULT_ZSTD_WINDOW = 2 ** 27;

/** Largest window of a foreign zstd frame, whatever the memory limit: ZSTD_WINDOWLOG_MAX of 64-bit libzstd. */
export const MAX_ZSTD_WINDOW = 2 ** 31;

/** Frames and blocks of a foreign stream that may be empty before the average size counts. */
export const FREE_ITEMS = 4096;

/** Minimum average of decoded bytes per frame or block beyond those; below it the stream is refused. */
export const MIN_BYTES_PER_ITEM = 64;

/** pzstd cuts its input into pieces of at most this many windows (`calculateStep` of contrib/pzstd). */
export const PZSTD_WINDOWS_PER_FRAME = 4;

/** Without a streaming zstd binding, one whole frame is held: at most this much decoded. */
export const MAX_WHOLE_FRAME = 64 * MIB;

/** Longest gzip member header that is read: extra field, name and comment together. */
export const MAX_GZIP_HEADER = 256 * 1024;

/** Bytes that `FrameSplitter.next` and `detectLayout` need at most to decide. */
export const MAX_UNIT_HEAD = 72;

export const MAGIC = {
  zstd: 0xfd2fb528,
  lz4: 0x184d2204,
  lz4Legacy: 0x184c2102,
  /** The first of the sixteen skippable magics; pzstd uses this one. */
  pzstd: 0x184d2a50,
  /** The skippable magic of our records. */
  ramferry: 0x184d2a5b,
} as const;

/** Any of 0x184D2A50 to 0x184D2A5F: a frame that decoders of zstd and lz4 skip. */
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
