// Interface of an inlet: the parser of one container. An inlet reads the source and reports its findings in stream order.
// Each transfer has one inlet, on the main thread; it mirrors `Outlet`. An inlet knows no thread, slot pool or output.

import type { Buffer } from 'node:buffer';

import type { ChunkHeader } from '../chunk/record.js';
import type { CodecName } from '../codec/codec.js';
import type { StreamEnd } from '../grammar/grammar.js';
import type { Beginning, ByteSource } from '../io/bytes.js';
import type { Task } from '../slot/job.js';
import type { SlotViews } from '../slot/layout.js';
import type { StreamSums } from './sums.js';

/** The input of an inlet. */
export interface InletInput {
  readonly source: ByteSource;
  /** Bytes of the source that were read to recognise the stream. */
  readonly head: Uint8Array;
  /** Milliseconds without a byte in the middle of a record after which the read fails; 0 = no limit. */
  readonly ioTimeout: number;
  /**
   * Another reader continues on the source where this stream ends. The inlet reads no byte beyond the end, and refuses a
   * stream whose end it cannot determine.
   */
  readonly shared?: boolean | undefined;
  /** What the output has from an earlier transfer: the stream must continue behind it. Only in the native container. */
  readonly kept?: Beginning | undefined;
}

/** The memory that the chunks of a stream need at the receiver. */
export interface StreamNeeds {
  /** Most decoded bytes of a chunk. */
  readonly maxChunk: number;
  /** Most bytes of a chunk as it arrives, including the prefix in front of its record. */
  readonly inputBytes: number;
  /** Bytes of the page store; 0 = none. */
  readonly storeBytes: number;
  /** Reorder window: a chunk arrives less than this many chunks before its turn; 1 = in order. */
  readonly window: number;
  /** The decoded stream consists of chunks only, and each chunk states its offset in it. */
  readonly positioned: boolean;
  /** The inlet can read the stream without slots, so too little memory is no error. */
  readonly optional: boolean;
}

/** Memory of one slot. */
export interface SlotSizes {
  readonly input: number;
  readonly output: number;
}

/** A chunk whose bytes are in the memory that `room` returned. */
export interface ArrivedChunk {
  readonly sequence: number;
  readonly codec: CodecName;
  /** Decoded bytes of the chunk, or the upper bound where the container does not state them. */
  readonly decodedLength: number;
  /** Bytes of the record or frame, which begins `Inlet.prefix` bytes into the memory. */
  readonly length: number;
  /** Offset of the record or frame in the stream, in bytes. */
  readonly offset: number;
  /** Number of the chunk's record, where the container counts records. */
  readonly record?: number;
  /** Absent for standard frames. */
  readonly header?: ChunkHeader;
}

/** Receives the findings of an inlet. The inlet continues when a returned promise resolves. */
export interface Arrivals {
  /**
   * Called before the first `room`.
   * @returns undefined when the needs are optional and do not fit the memory limit
   */
  open(needs: StreamNeeds): SlotSizes | undefined;
  /** Provides memory for the next chunk. @returns exactly `length` bytes */
  room(length: number): Promise<Buffer> | Buffer;
  /** Reports a chunk. @param body the memory that `room` returned */
  chunk(chunk: ArrivedChunk, body: Buffer): void;
  /** Reports bytes of the decoded stream that arrived uncompressed, outside chunks. */
  pass(bytes: Uint8Array): Promise<void> | void;
  /** Reports totals at this place. The receiver calls `Inlet.verify` when everything before them has been delivered. */
  totals(): Promise<void> | void;
  /** Resolves when all findings so far have been delivered and the memory of `open` is free. */
  settle(): Promise<void> | void;
  /** Reports how many bytes of the stream the inlet has consumed since the previous call. */
  taken(bytes: number): void;
  /** Reports the decoded length of the stream, where its header states it. */
  expect(totalLength: number): void;
}

export interface InletOutcome {
  /** Decoded bytes, all delivered. */
  readonly bytes: number;
  /** The stream contained ramferry's totals, and they matched. */
  readonly verified: boolean;
  /** Sums of the stream, for the sender; absent where the container keeps none. */
  readonly sums?: StreamSums;
  /** How a stream without totals ended, where a grammar walked it. */
  readonly streamEnd?: StreamEnd | undefined;
}

export interface Inlet {
  /** The task of the workers for a slot of this container. */
  readonly task: Task;
  /** Bytes in front of a chunk's record in the input area. */
  readonly prefix: number;
  /** Reads the stream to its end; call once. @throws RamferryError the first error of the stream */
  read(arrivals: Arrivals): Promise<void>;
  /**
   * Adds a decoded chunk to the totals, in its turn.
   * @returns its pages, for the statistics
   * @throws ERR_STREAM_ORDER when its offset is not the number of bytes delivered so far
   */
  deliver(chunk: ArrivedChunk, slot: Delivery): ChunkPages;
  /** Adds bytes that arrived outside chunks to the totals, in their turn. */
  passed(bytes: Uint8Array): void;
  /** Compares the totals in the stream with the counted ones. @throws ERR_STREAM_CHECKSUM, ERR_STREAM_TOTALS */
  verify(): void;
  /** The outcome of the stream. Valid when everything has been delivered. */
  outcome(): InletOutcome;
}

/** The parts of a decoded slot that an inlet reads. */
export type Delivery = Pick<SlotViews, 'decode' | 'input'>;

/** Pages of a chunk by representation. */
export type ChunkPages = Readonly<
  Partial<Pick<ChunkHeader, 'zero' | 'literal' | 'duplicate' | 'same' | 'delta'>>
>;
