// Interface of an inlet: the parser of one container. It reads the source and hands on its findings in stream order.
// Each transfer has one inlet, on the main thread; it mirrors `Outlet`. An inlet knows no thread, slot pool or output.

import type { Buffer } from 'node:buffer';

import type { ChunkHeader } from '../chunk/record.js';
import type { CodecName } from '../codec/codec.js';
import type { StreamEnd } from '../grammar/grammar.js';
import type { ByteSource } from '../io/bytes.js';
import type { Task } from '../slot/job.js';
import type { SlotViews } from '../slot/layout.js';
import type { StreamSums } from './sums.js';

/** What an inlet reads. */
export interface InletInput {
  readonly source: ByteSource;
  /** Bytes of the source that were read to recognise the stream. */
  readonly head: Uint8Array;
  /** Milliseconds that the source may take in the middle of a record; 0 = no limit. */
  readonly ioTimeout: number;
  /**
   * Another reader continues where this stream ends: not one byte beyond the end is read, and a stream whose end cannot be
   * told is refused.
   */
  readonly shared?: boolean | undefined;
}

/** What the chunks of a stream need of the receiver. */
export interface StreamNeeds {
  /** No chunk decodes to more bytes. */
  readonly maxChunk: number;
  /** Most bytes of a chunk as it arrives, with everything in front of its record. */
  readonly inputBytes: number;
  /** Bytes of the page store; 0 = none. */
  readonly storeBytes: number;
  /** A chunk arrives at most this many places before its turn; 1 = in order. */
  readonly window: number;
  /** Nothing but chunks makes up the decoded stream, and each names its place in it. */
  readonly positioned: boolean;
  /** The stream can also be read without slots, so that too little memory is no error. */
  readonly optional: boolean;
}

/** Memory of one slot. */
export interface SlotSizes {
  readonly input: number;
  readonly output: number;
}

/** A chunk whose bytes lie in the memory that `room` gave. */
export interface ArrivedChunk {
  readonly sequence: number;
  readonly codec: CodecName;
  /** What the chunk decodes to, or the most that it may decode to. */
  readonly decodedLength: number;
  /** Bytes of the record or frame; it begins `Inlet.prefix` bytes into the memory. */
  readonly length: number;
  /** Where it stands in the stream. */
  readonly offset: number;
  /** Number of its record, where the container counts records. */
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
  /** Memory for the chunk that comes next. @returns exactly `length` bytes */
  room(length: number): Promise<Buffer> | Buffer;
  /** @param body the memory that `room` gave */
  chunk(chunk: ArrivedChunk, body: Buffer): void;
  /** Bytes of the decoded stream that arrived as they are. */
  pass(bytes: Uint8Array): Promise<void> | void;
  /** The stream states totals here: `Inlet.verify` is due when everything before has been delivered. */
  totals(): Promise<void> | void;
  /** Resolves when everything so far has been delivered and the memory of `open` has been given back. */
  settle(): Promise<void> | void;
  /** More bytes of the stream have been read. */
  taken(bytes: number): void;
  /** The stream decodes to this many bytes, as its header says. */
  expect(totalLength: number): void;
}

export interface InletOutcome {
  /** Decoded bytes, all of them delivered. */
  readonly bytes: number;
  /** An end mark of ours was seen and is right. */
  readonly verified: boolean;
  /** Sums of the stream, for the sender; absent where the container keeps none. */
  readonly sums?: StreamSums;
  /** How a stream without totals ended, where a grammar followed it. */
  readonly streamEnd?: StreamEnd | undefined;
}

export interface Inlet {
  /** One of TASK: what the workers do with a slot of this container. */
  readonly task: Task;
  /** Bytes in front of a chunk's record in the input area. */
  readonly prefix: number;
  /** Reads the stream to its end; call once. @throws RamferryError, what is wrong with the stream */
  read(arrivals: Arrivals): Promise<void>;
  /**
   * Adds up a chunk that was decoded, in its turn.
   * @returns its pages, for the statistics
   * @throws ERR_STREAM_ORDER when it does not continue what was delivered before
   */
  deliver(chunk: ArrivedChunk, slot: Delivery): ChunkPages;
  /** Adds up bytes that arrived as they are, in their turn. */
  passed(bytes: Uint8Array): void;
  /** Compares the totals at this place with what was added up. @throws ERR_STREAM_CHECKSUM, ERR_STREAM_TOTALS */
  verify(): void;
  /** When all is delivered. */
  outcome(): InletOutcome;
}

/** What is looked at of a slot that was decoded. */
export type Delivery = Pick<SlotViews, 'decode' | 'input'>;

/** Pages of a chunk by representation. */
export type ChunkPages = Readonly<
  Partial<Pick<ChunkHeader, 'zero' | 'literal' | 'duplicate' | 'same' | 'delta'>>
>;
