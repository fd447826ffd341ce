// The report of `inspect`: plain data, one interface for each container. Also the chunk counter that all walks share.

import type { CodecName } from '../../codec/codec.js';
import type { FrameOutline } from '../../container/frames/outline.js';
import type { StreamHeader } from '../../container/native.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import type { PageCounts, PageTally } from '../statistics/counts.js';

/** Figures of the chunks of one codec. Codec `none` counts the chunks that travelled uncompressed. */
export interface KindReport {
  /** Number of chunks. */
  chunks: number;
  /** Bytes of the decoded stream. */
  decoded: number;
  /** Bytes of the records or frames. */
  encoded: number;
}
/** Figures by codec. Codecs that do not occur are absent. */
export type Codecs = Partial<Record<CodecName, KindReport>>;

/** Figures of every stream with ramferry's chunks. */
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

/** Figures of a stream with ramferry's records. */
export interface RecordsReport extends ChunksReport {
  /** Pages by representation. */
  readonly pages: Readonly<PageCounts>;
  /** Bytes of operations, skeleton and deltas that were compressed together with the pages. */
  readonly skeletonBytes: number;
}

/** A stream in the native container. */
export interface NativeReport extends RecordsReport {
  /** Names this interface in the union InspectReport. */
  readonly container: 'native';
  /** The header of the stream. */
  readonly header: StreamHeader;
  /** What a sender's grammar recognises. Only with `verify`, and only in a stream of QEMU. */
  readonly recognised?: Recognised;
}

/** libxc records of one type. */
export interface RecordFigures {
  /** Number of records. */
  records: number;
  /** Bytes of the records, with header and padding. */
  bytes: number;
}

/** A Xen stream. With ramferry records it is a stream of method `xenguest`. */
export interface XenReport extends RecordsReport {
  /** Names this interface in the union InspectReport. */
  readonly container: 'xen';
  /** The format that contains the libxc stream. */
  readonly wrapping: XenKind;
  /** Byte order of the stream. */
  readonly bigEndian: boolean;
  /** Whether the stream has ramferry records. Without them the stream has no checksums, and damage cannot be detected. */
  readonly compressed: boolean;
  /** Most decoded bytes of a chunk, as announced; 0 without ramferry records. */
  readonly maxChunk: number;
  /** Bytes of the page store, as announced; 0 without a page store. */
  readonly storeBytes: number;
  /** Bytes that travel unchanged: all other records, headers and wrapping. */
  readonly verbatimBytes: number;
  /** Figures of the libxc records, by the record's name. */
  readonly records: Readonly<Record<string, RecordFigures>>;
  /** Whether the sender's input was truncated. */
  readonly cut: boolean;
}

/** A stream of method `stream`: ramferry's frames, which state their lengths. */
export interface UnitsReport extends ChunksReport {
  /** Names this interface in the union InspectReport. */
  readonly container: 'frames';
  /** Format of the frames. */
  readonly format: 'zstd' | 'lz4' | 'gzip';
  /** Most decoded bytes of a frame, as announced. */
  readonly maxChunk: number;
}

/** Figures of all frames of one format. */
export interface FrameFigures {
  /** Number of frames. */
  frames: number;
  /** Bytes of the frames. */
  encoded: number;
  /** Decoded bytes; undefined when a frame does not state them. */
  decoded: number | undefined;
  /** Number of frames with a checksum over their decoded bytes. */
  checksums: number;
  /** Largest window in bytes. */
  window: number;
  /** Number of compressed blocks. */
  compressedBlocks: number;
  /** Number of blocks that are stored or one repeated byte. */
  storedBlocks: number;
}

/** A stream of frames from another program: zstd, pzstd, lz4, gzip or pigz. */
export interface ForeignReport {
  /** Names this interface in the union InspectReport. */
  readonly container: 'foreign';
  /** Whether each frame's length precedes the frame, as pzstd writes it. `receive` then uses several threads. */
  readonly pzstd: boolean;
  /** Frames by format. */
  readonly frames: Readonly<Partial<Record<FrameOutline['format'], FrameFigures>>>;
  /** Decoded bytes; undefined when a frame does not state them. */
  readonly decodedBytes: number | undefined;
  /** Bytes of the whole stream. */
  readonly streamBytes: number;
}

/** What a sender's grammar recognises of a decoded stream. */
export interface Recognised extends Readonly<PageTally> {
  /** All other bytes: headers, page numbers, device state. */
  readonly skeletonBytes: number;
  /** As in TransferSummary. */
  readonly streamEnd: 'seen' | 'incomplete' | 'unseen';
  /** Why the stream, or a part of it, is not recognised; absent where all of it is. */
  readonly opaqueBecause?: string;
  /** The setting of the hypervisor with which more pages would be recognised; absent where none would help. */
  readonly opaqueHint?: string;
}

/** A hypervisor's stream of QEMU or libvirt that is not compressed: what `send` would recognise of it. */
export interface PlainReport {
  /** Names this interface in the union InspectReport. */
  readonly container: 'plain';
  /** The hypervisor's format: a stream of QEMU, or one in libvirt's save image. */
  readonly format: 'qemu' | 'libvirt';
  /** Bytes of the stream. */
  readonly decodedBytes: number;
  /** The same. */
  readonly streamBytes: number;
  /** What a sender's grammar recognises. */
  readonly recognised: Recognised;
}

/** The structure of a stream. `container` distinguishes the members of the union. */
export type InspectReport = NativeReport | XenReport | UnitsReport | ForeignReport | PlainReport;

/** Counts the chunks of a walk. */
export class ChunkCount {
  chunks = 0;
  readonly codecs: Codecs = {};
  smallestChunk = 0;
  largestChunk = 0;

  /** @param encoded bytes of the chunk's record or frame */
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
