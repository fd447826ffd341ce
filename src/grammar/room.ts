// Whether a sink has room, asked anew: its `full` changes with each call, which the compiler's narrowing of a property
// does not see. Takes any sink, promises nothing about later.

import type { SegmentSink } from './grammar.js';

export function isFull(out: SegmentSink): boolean {
  return out.full;
}
