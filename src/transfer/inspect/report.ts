// The report of `inspect`, one shape for each container. Plain data, and the counters that all walks share.

import type { CodecName } from '../../codec/codec.js';
import type { FrameOutline } from '../../container/frames/outline.js';
import type { StreamHeader } from '../../container/native.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import type { PageCounts } from '../statistics/counts.js';

/** Figures of one kind of chunk, by codec; `none` are those that went as they are. */
export interface KindReport {
  /** How many. */
  chunks: number;
  /** Bytes of the decoded stream. */
  decoded: number;
  /** Bytes of the records or frames. */
  encoded: number;
}
/** Figures by codec; only those that occur. */
export type Codecs = Partial<Record<CodecName, KindReport>>;

/** What every stream of ramferry's chunks has. */
export interface ChunksReport {
  /** Number of chunks. */
  readonly chunks: number;
  /** Bytes of the decoded stream. */
  readonly decodedBytes: number;
  /** Bytes of the whole stream. */
  readonly streamBytes: number;
  /** Chunks by codec. */
  readonly codecs: Readonly<Codecs>;
  /** Decoded bytes of the shortest chunk. */
  readonly smallestChunk: number;
  /** Decoded bytes of the longest chunk. */
  readonly largestChunk: number;
}

/** What a stream of ramferry's records has. */
export interface RecordsReport extends ChunksReport {
  /** Pages by representation. */
  readonly pages: Readonly<PageCounts>;
  /** Bytes of operations, skeleton and deltas that were compressed along with the pages. */
  readonly skeletonBytes: number;
}

/** Our own container. */
export interface NativeReport extends RecordsReport {
  /** Which shape. */
  readonly container: 'native';
  /** What the stream announces. */
  readonly header: StreamHeader;
}

/** libxc records of one type. */
export interface RecordFigures {
  /** How many. */
  records: number;
  /** Their bytes with header and padding. */
  bytes: number;
}

/** A Xen stream; with records of ours it is method `xenguest`. */
export interface XenReport extends RecordsReport {
  /** Which shape. */
  readonly container: 'xen';
  /** What is around the libxc stream. */
  readonly wrapping: XenKind;
  /** Byte order of the stream. */
  readonly bigEndian: boolean;
  /** The stream has ramferry records. Without them nothing shows whether the stream arrived unchanged. */
  readonly compressed: boolean;
  /** Decoded bytes that a chunk may have, as announced; 0 without records of ours. */
  readonly maxChunk: number;
  /** Bytes of the page store, as announced; 0 without one. */
  readonly storeBytes: number;
  /** Bytes that travel as they are: all other records, headers and wrapping. */
  readonly verbatimBytes: number;
  /** libxc records by name: how many, and their bytes with header and padding. */
  readonly records: Readonly<Record<string, RecordFigures>>;
  /** The input of the sender broke off. */
  readonly cut: boolean;
}

/** Method `stream`: frames of ours, whose lengths are told. */
export interface UnitsReport extends ChunksReport {
  /** Which shape. */
  readonly container: 'frames';
  /** Format of the frames. */
  readonly format: 'zstd' | 'lz4' | 'gzip';
  /** Decoded bytes that a frame may have, as announced. */
  readonly maxChunk: number;
}

/** Figures of all frames of one format. */
export interface FrameFigures {
  /** How many. */
  frames: number;
  /** Bytes of the frames. */
  encoded: number;
  /** Decoded bytes; undefined when a frame does not tell. */
  decoded: number | undefined;
  /** Frames with a checksum over their decoded bytes. */
  checksums: number;
  /** Largest window, bytes. */
  window: number;
  /** Compressed blocks. */
  compressedBlocks: number;
  /** Blocks that are stored or one repeated byte. */
  storedBlocks: number;
}

/** Frames that others wrote: zstd, pzstd, lz4, gzip, pigz. */
export interface ForeignReport {
  /** Which shape. */
  readonly container: 'foreign';
  /** Each frame is preceded by its length, as pzstd writes it: `receive` uses several threads. */
  readonly pzstd: boolean;
  /** Frames by format. */
  readonly frames: Readonly<Partial<Record<FrameOutline['format'], FrameFigures>>>;
  /** Decoded bytes; undefined when a frame does not tell. */
  readonly decodedBytes: number | undefined;
  /** Bytes of the whole stream. */
  readonly streamBytes: number;
}

/** What a stream is made of; `container` tells the shapes apart. */
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
