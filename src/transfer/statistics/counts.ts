// Counts of chunks, pages and the page store: plain data, in the words of docs/FORMAT.md. The code that counts is elsewhere.

import type { CodecName } from '../../codec/codec.js';

/** How pages were represented (docs/FORMAT.md), in pages. */
export interface PageCounts {
  /** only a fill byte */
  zero: number;
  /** a reference to an equal page of the same chunk, or of the store */
  duplicate: number;
  /** unchanged since the page was sent before */
  same: number;
  /** the difference to what was sent before */
  delta: number;
  /** whole, handed to the codec */
  literal: number;
}

/** What one chunk was, as far as counting goes. */
export interface ChunkCounts {
  /** The codec that was used for this chunk; `none` when it was stored. */
  readonly codec: CodecName;
  /** Bytes of the guest's stream that the chunk stands for. */
  readonly decoded: number;
  /** Bytes of its record on the link. */
  readonly encoded: number;
  /** Representations that did not occur may be left out. */
  readonly pages: Readonly<Partial<PageCounts>>;
  /** Sent as it is because compression gained nothing, or because no thread was free. */
  readonly stored: boolean;
}

/**
 * Whether a native chunk's contents went without a codec: literal pages, or bytes that were not split into pages because no thread
 * was free. A chunk of nothing but zero and duplicate pages leaves nothing for a codec.
 */
export function wasStored(codec: CodecName, pages: Readonly<Partial<PageCounts>>): boolean {
  const { zero = 0, duplicate = 0, same = 0, delta = 0, literal = 0 } = pages;
  return codec === 'none' && (literal + delta > 0 || zero + duplicate + same === 0);
}

/** What the sender's page store was good for, in pages where nothing else is said. */
export interface StoreCounts {
  /** Size of the store in bytes. */
  readonly bytes: number;
  /** Sent again, and the store had to do with them. */
  readonly resent: number;
  /** Of those: their earlier contents were not there. */
  readonly missed: number;
  /** For which a delta did not pay. */
  readonly overflow: number;
  /** Bytes of all deltas, before the codec. */
  readonly deltaBytes: number;
  /** How often storing was found not to pay. */
  readonly turnedOff: number;
}

/** Chunks of one codec. */
export interface CodecCounts {
  /** How many. */
  readonly chunks: number;
  /** Bytes on the guest's side. */
  readonly decoded: number;
  /** Bytes on the link. */
  readonly encoded: number;
}
