// Counts of chunks, pages and the page store: plain data, with the terms of docs/FORMAT.md. Statistics adds them up.

import type { CodecName } from '../../codec/codec.js';
import { NO_IDENTITY } from '../../grammar/grammar.js';

/** Number of pages by representation (docs/FORMAT.md). */
export interface PageCounts {
  /** Only a fill byte. */
  zero: number;
  /** A reference to an equal page of the same chunk, or of the store. */
  duplicate: number;
  /** Unchanged since the page was sent before. */
  same: number;
  /** The difference to the contents that were sent before. */
  delta: number;
  /** Whole contents, compressed by the codec. */
  literal: number;
}

/** The sender's pages with contents, by what its grammar knows of them. QEMU's own zero pages have no contents in the stream. */
export interface PageTally {
  /** Pages whose place in the guest's memory is known. */
  identified: number;
  /** Blocks of 4096 bytes of unknown structure. */
  anonymous: number;
}

/** Counts pages of one run. @param identity as in SegmentSink.pages: of the first one, or what the grammar knows of them */
export function tallyPages(tally: PageTally, n: number, identity: number): void {
  if (identity >= 0) tally.identified += n;
  else if (identity === NO_IDENTITY) tally.anonymous += n;
}

/** The figures of one chunk. */
export interface ChunkCounts {
  /** The chunk's codec; `none` when it was stored. */
  readonly codec: CodecName;
  /** Bytes of the guest's stream in the chunk. */
  readonly decoded: number;
  /** Bytes of its record on the link. */
  readonly encoded: number;
  /** Representations that did not occur may be left out. */
  readonly pages: Readonly<Partial<PageCounts>>;
  /** Sent uncompressed, because compression gained nothing or no thread was free. */
  readonly stored: boolean;
}

/**
 * Whether the contents of a native chunk were sent uncompressed: literal pages, or bytes that were not split into pages because no
 * thread was free. A chunk of only zero, duplicate and unchanged pages does not count: it has no contents for a codec.
 */
export function wasStored(codec: CodecName, pages: Readonly<Partial<PageCounts>>): boolean {
  const { zero = 0, duplicate = 0, same = 0, delta = 0, literal = 0 } = pages;
  return codec === 'none' && (literal + delta > 0 || zero + duplicate + same === 0);
}

/** Results of the sender's page store, in pages unless stated otherwise. */
export interface StoreCounts {
  /** Size of the store in bytes. */
  readonly bytes: number;
  /** Pages sent again that were looked up in the store. */
  readonly resent: number;
  /** Those of them whose earlier contents were not in the store. */
  readonly missed: number;
  /** Pages for which a delta gained nothing. */
  readonly overflow: number;
  /** Bytes of all deltas, before the codec. */
  readonly deltaBytes: number;
  /** How many times the store was turned off, because it gained nothing. */
  readonly turnedOff: number;
}

/** Chunks of one codec. */
export interface CodecCounts {
  /** Number of chunks. */
  readonly chunks: number;
  /** Bytes on the guest's side. */
  readonly decoded: number;
  /** Bytes on the link. */
  readonly encoded: number;
}
