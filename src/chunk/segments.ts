// The segment table of a chunk before it is encoded: what its bytes are, in order, as pairs of (kind, count).
// The main thread writes it as the grammar reports; the worker that plans the chunk reads it.

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
