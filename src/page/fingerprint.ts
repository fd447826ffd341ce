// A cheap 32-bit hash of a sample of a page. It promises that equal pages have equal fingerprints, and no more: the caller
// compares the pages afterwards. A hash of every byte in JavaScript would take 8 % of the codec's time.
// Unrolled, because it runs twice for every page, and in a short transfer mostly before V8 has optimised it.

/** Mixes in one word of the sample. */
function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

/** The sample is spread over the page, and avoids round offsets, where headers are alike. */
export function fingerprint(view: DataView, offset: number): number {
  let hash = mix(0x9e3779b1, view.getInt32(offset, true));
  hash = mix(hash, view.getInt32(offset + 520, true));
  hash = mix(hash, view.getInt32(offset + 1024, true));
  hash = mix(hash, view.getInt32(offset + 1548, true));
  hash = mix(hash, view.getInt32(offset + 2044, true));
  hash = mix(hash, view.getInt32(offset + 2560, true));
  hash = mix(hash, view.getInt32(offset + 3076, true));
  hash = mix(hash, view.getInt32(offset + 3592, true));
  return mix(hash, view.getInt32(offset + 4092, true));
}
