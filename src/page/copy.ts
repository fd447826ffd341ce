// Copies bytes from one piece of memory to another, as memcpy does. The two must not overlap.
// Why not `set` or `copy`: where either side is shared memory, V8 moves it word by word with atomic accesses (relaxed_memmove), at
// half the speed or less. For a page the call itself takes four times as long. Buffer.fill with a pattern as long as the target is
// one memcpy in Node's own code (`Fill` in node_buffer.cc).

import type { Buffer } from 'node:buffer';

/** Up to this many bytes a loop costs less than the view and the two calls behind a fill. */
const LOOP_BYTES = 32;

/**
 * Copies source[from, to) to target[at, …).
 * @throws RangeError where the target has no room
 */
export function copyBytes(target: Buffer, at: number, source: Uint8Array, from: number, to: number): void {
  const length = to - from;
  if (length > LOOP_BYTES) {
    target.fill(source.subarray(from, to), at, at + length);
    return;
  }
  if (at + length > target.length) throw new RangeError(`no room for ${length} bytes at ${at}`);
  for (let next = from; next < to; next++) target[at + next - from] = source[next]!;
}
