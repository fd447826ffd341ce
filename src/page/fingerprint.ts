// A cheap 32-bit hash of a sample of a page: equal pages have equal fingerprints, and that is all it promises.
// Whoever uses it compares the pages afterwards. Hashing every byte in JavaScript would cost 8 % of the codec's time.
// Written out, and without a loop: it runs for every page twice, for most of a short transfer before V8 has optimised it.

/** One word of the sample, mixed in. */
function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

/** The sample is spread over the page, and off the round offsets where headers look alike. */
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
