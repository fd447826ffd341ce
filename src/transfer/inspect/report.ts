// What `inspect` says of a stream, one shape for each way in which chunks can lie in it. Plain data, and the small
// counting that all walks share.

import type { CodecName } from '../../codec/codec.js';
import type { FrameOutline } from '../../container/frames/outline.js';
import type { StreamHeader } from '../../container/native.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import type { PageCounts } from '../statistics/counts.js';

/** Figures of one kind of chunk, by codec; `none` are those that went as they are. */
export interface KindReport {
  chunks: number;
  /** Bytes of the decoded stream. */
  decoded: number;
  /** Bytes of the records or frames. */
  encoded: number;
}
export type Codecs = Partial<Record<CodecName, KindReport>>;

interface ChunksReport {
  readonly chunks: number;
  readonly decodedBytes: number;
  /** Bytes of the whole stream. */
  readonly streamBytes: number;
  readonly codecs: Readonly<Codecs>;
  /** Shortest and longest chunk, decoded bytes. */
  readonly smallestChunk: number;
  readonly largestChunk: number;
}

interface RecordsReport extends ChunksReport {
  readonly pages: Readonly<PageCounts>;
  /** Bytes of operations, skeleton and deltas that were compressed along with the pages. */
  readonly skeletonBytes: number;
}

/** Our own container. */
export interface NativeReport extends RecordsReport {
  readonly container: 'native';
  readonly header: StreamHeader;
}

/** A Xen stream; with records of ours it is method `xenguest`. */
export interface XenReport extends RecordsReport {
  readonly container: 'xen';
  readonly wrapping: XenKind;
  readonly bigEndian: boolean;
  /** Records of ours are in it. Without them nothing says whether the stream is what was sent. */
  readonly compressed: boolean;
  /** What our records announce; 0 without them. */
  readonly maxChunk: number;
  readonly storeBytes: number;
  /** Bytes that travel as they are: all other records, headers and wrapping. */
  readonly verbatimBytes: number;
  /** libxc records by name: how many, and their bytes with header and padding. */
  readonly records: Readonly<Record<string, { records: number; bytes: number }>>;
  /** The input of the sender broke off. */
  readonly cut: boolean;
}

/** Method `stream`: frames of ours, whose lengths are told. */
export interface UnitsReport extends ChunksReport {
  readonly container: 'frames';
  readonly format: 'zstd' | 'lz4' | 'gzip';
  readonly maxChunk: number;
}

/** Figures of all frames of one format. */
export interface FrameFigures {
  frames: number;
  encoded: number;
  /** Undefined when a frame does not tell. */
  decoded: number | undefined;
  /** Frames with a checksum over their decoded bytes. */
  checksums: number;
  /** Largest window, bytes. */
  window: number;
  /** Blocks, compressed and stored. */
  compressedBlocks: number;
  storedBlocks: number;
}

/** Frames that others wrote: zstd, pzstd, lz4, gzip, pigz. */
export interface ForeignReport {
  readonly container: 'foreign';
  /** Each frame is preceded by its length, as pzstd writes it: `receive` uses several threads. */
  readonly pzstd: boolean;
  readonly frames: Readonly<Partial<Record<FrameOutline['format'], FrameFigures>>>;
  /** Undefined when a frame does not tell. */
  readonly decodedBytes: number | undefined;
  readonly streamBytes: number;
}

export type InspectReport = NativeReport | XenReport | UnitsReport | ForeignReport;

/** Counts chunks as they pass. */
export class ChunkCount {
  chunks = 0;
  readonly codecs: Codecs = {};
  smallestChunk = 0;
  largestChunk = 0;

  /** @param encoded bytes of its record or frame */
  add(codec: CodecName, decoded: number, encoded: number): void {
    const kind = (this.codecs[codec] ??= { chunks: 0, decoded: 0, encoded: 0 });
    kind.chunks++;
    kind.decoded += decoded;
    kind.encoded += encoded;
    this.smallestChunk = this.chunks === 0 ? decoded : Math.min(this.smallestChunk, decoded);
    this.largestChunk = Math.max(this.largestChunk, decoded);
    this.chunks++;
  }

  get figures(): Pick<ChunksReport, 'chunks' | 'codecs' | 'smallestChunk' | 'largestChunk'> {
    const { chunks, codecs, smallestChunk, largestChunk } = this;
    return { chunks, codecs, smallestChunk, largestChunk };
  }
}
