// Holes of a regular file that a grammar walks: a chunk of zero bytes that no disk holds is neither read nor filled in. The grammar must
// not need the values of the bytes: only the pages of a mapped-ram file are such bytes. A hole that is shorter than a chunk is read.

import { SEGMENT } from '../../chunk/segments.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';
import { zeroBytes } from '../../page/zero.js';
import type { SlotViews } from '../../slot/layout.js';
import type { Cut } from './filler.js';

/** Passes over the next `bytes` bytes of the source if they lie in a hole and the grammar does not depend on them. */
export function passesHole(source: ByteSource, grammar: Grammar, bytes: number): boolean {
  return (grammar.passable ?? 0) >= bytes && source.skipHole?.(bytes) === true;
}

/**
 * Whether a chunk that was not read may leave as a hole: it is the whole input area, and all of it is pages. If not, the input area gets
 * the zero bytes.
 * @param filled bytes of the input area that lie in the hole
 */
export function leavesAsHole({ segments, input }: SlotViews, cut: Cut, filled: number): boolean {
  if (cut.length === filled && cut.segments === 1 && segments[0] === SEGMENT.pages) return true;
  zeroBytes(input, 0, filled);
  return false;
}
