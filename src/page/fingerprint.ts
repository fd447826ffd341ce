// A cheap 32-bit hash of a sample of a page. It promises that equal pages have equal fingerprints, and no more: the caller
// compares the pages afterwards. A hash of every byte in JavaScript would take 8 % of the codec's time.
// Unrolled and without calls, because it runs twice for every page, and in a short transfer mostly before V8 has optimised it.

/** The sample is spread over the page, and avoids round offsets, where headers are alike. */
export function fingerprint(view: DataView, offset: number): number {
  // Each word is rotated by another distance, so that words that are equal, or swapped, do not cancel each other out.
  let word = view.getInt32(offset, true);
  let hash = word;
  word = view.getInt32(offset + 520, true);
  hash ^= (word << 5) | (word >>> 27);
  word = view.getInt32(offset + 1024, true);
  hash ^= (word << 11) | (word >>> 21);
  word = view.getInt32(offset + 1548, true);
  hash ^= (word << 16) | (word >>> 16);
  word = view.getInt32(offset + 2044, true);
  hash ^= (word << 21) | (word >>> 11);
  word = view.getInt32(offset + 2560, true);
  hash ^= (word << 26) | (word >>> 6);
  word = view.getInt32(offset + 3076, true);
  hash ^= (word << 8) | (word >>> 24);
  word = view.getInt32(offset + 3592, true);
  hash ^= (word << 19) | (word >>> 13);
  word = view.getInt32(offset + 4092, true);
  hash ^= (word << 29) | (word >>> 3);
  const mixed = Math.imul(hash ^ 0x9e3779b1, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
