// Copies bytes from one piece of memory to another, as memcpy does. The two must not overlap.
// Why not `set` or `copy`: where either side is shared memory, V8 moves it word by word with atomic accesses (relaxed_memmove), at
// half the speed or less. For a page the call itself takes four times as long. Buffer.fill with a pattern as long as the target is
// one memcpy in Node's own code (`Fill` in node_buffer.cc).

import type { Buffer } from 'node:buffer';

/** Copies source[from, to) to target[at, …), which has room for it. */
export function copyBytes(target: Buffer, at: number, source: Uint8Array, from: number, to: number): void {
  // fill() refuses an empty pattern.
  if (to > from) target.fill(source.subarray(from, to), at, at + to - from);
}
