// The table that says what lies where in the bytes of a chunk, before it is encoded: pairs of (kind, count).
// Written by the main thread as a grammar reports, read by the worker that plans the chunk.

export const SEGMENT = {
  /** count bytes of skeleton */
  skeleton: 1,
  /** count 64-bit words of skeleton */
  wordsLE: 2,
  wordsBE: 3,
  /** count pages of 4096 bytes */
  pages: 4,
} as const;

/** Entries that one chunk may have; a chunk that needs more is closed early. */
export const MAX_SEGMENTS = 8192;
