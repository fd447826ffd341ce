// Reads a sink's `full` again: each call of the sink may change it, and the compiler's narrowing of the property would keep the
// old value.

import type { SegmentSink } from './grammar.js';

export function isFull(out: SegmentSink): boolean {
  return out.full;
}
