// The receiving side of the native container: stream header, chunk records, END.
// Accepts bytes in any split. Checks the order of the chunks, and every length against its limit, before it takes memory.

import { Buffer } from 'node:buffer';

import { recordCapacity } from '../chunk/encode.js';
import { CHUNK_HEADER_BYTES, CHUNK_OVERHEAD, readChunkHeader, RECORD } from '../chunk/record.js';
import { codecName } from '../codec/codec.js';
import { RamferryError } from '../errors.js';
import { beyondMaxSize } from '../io/bounded-sink.js';
import { ExactReader } from '../io/exact-reader.js';
import { TASK } from '../slot/job.js';
import { checkContinues, ChunkOrder } from './chunk-order.js';
import type {
  ArrivedChunk,
  Arrivals,
  ChunkPages,
  Delivery,
  Inlet,
  InletInput,
  InletOutcome,
} from './inlet.js';
import { located } from './located.js';
import {
  END_RECORD_BYTES,
  readStreamHeader,
  STREAM_HEADER_BYTES,
  type StreamHeader,
  Totals,
} from './native.js';

/** Bytes of the type and the length at the start of every record. */
const RECORD_START_BYTES = 8;

interface RecordPlace {
  readonly record: number;
  readonly offset: number;
}

export class NativeInlet implements Inlet {
  readonly task = TASK.decode;
  readonly prefix = 0;
  readonly #input: InletInput;
  readonly #maxSize: number | undefined;
  readonly #reader: ExactReader;
  readonly #totals: Totals;
  /** The header of the current chunk record, or the END record. */
  readonly #start = Buffer.alloc(Math.max(CHUNK_HEADER_BYTES, END_RECORD_BYTES));
  #stream: StreamHeader | undefined;
  #order: ChunkOrder | undefined;
  #end: RecordPlace | undefined;

  /** @param maxSize limit of the decoded length in bytes; absent = the length in the stream's header, if any */
  constructor(input: InletInput, maxSize?: number) {
    this.#input = input;
    this.#totals = new Totals(input.kept);
    this.#maxSize = maxSize;
    this.#reader = new ExactReader(input.source, input.head, input.shared);
  }

  /** The header of the stream; undefined until it has been read. */
  get header(): StreamHeader | undefined {
    return this.#stream;
  }

  /** Bytes of the stream that have been read. */
  get offset(): number {
    return this.#reader.offset;
  }

  async read(arrivals: Arrivals): Promise<void> {
    await this.#open(arrivals);
    let place = this.#here(1);
    for (let type = await this.#begin(place); type !== RECORD.end; type = await this.#begin(place)) {
      if (type !== RECORD.chunk) {
        throw new RamferryError('ERR_STREAM_FORMAT', `unknown record type ${type}`, place);
      }
      await this.#chunk(place, arrivals);
      place = this.#here(place.record + 1);
    }
    await this.#endRecord(place);
    arrivals.taken(END_RECORD_BYTES);
    this.#order!.complete(place);
    this.#end = place;
    await arrivals.totals();
    if (this.#input.shared === true) return;
    await arrivals.settle();
    await this.#expectEnd();
  }

  deliver(chunk: ArrivedChunk, { input }: Delivery): ChunkPages {
    return this.add(chunk, input.readBigUInt64LE(chunk.length - 8));
  }

  /** Adds a chunk to the totals, in its turn. @param recordChecksum the eight bytes at the end of its record */
  add(chunk: ArrivedChunk, recordChecksum: bigint): ChunkPages {
    const header = chunk.header!;
    checkContinues(chunk, header.offset, this.#totals.decodedBytes);
    this.#totals.add(header, chunk.length, recordChecksum);
    return header;
  }

  passed(): void {
    // A native stream has no bytes outside chunks.
  }

  verify(): void {
    this.#totals.verify(this.#start.subarray(0, END_RECORD_BYTES), this.#end!);
  }

  outcome(): InletOutcome {
    return { bytes: this.#totals.decodedBytes, verified: true, sums: this.#totals.sums() };
  }

  #here(record: number): RecordPlace {
    return { record, offset: this.#reader.offset };
  }

  async #open(arrivals: Arrivals): Promise<void> {
    const head = Buffer.alloc(STREAM_HEADER_BYTES);
    await this.#exactly(head, { record: 0, offset: 0 });
    const start = this.#input.kept?.bytes ?? 0;
    const stream = readStreamHeader(head, start);
    const { maxChunk, storeBytes, window, totalLength } = stream;
    this.#stream = stream;
    this.#order = new ChunkOrder(window, start);
    arrivals.taken(STREAM_HEADER_BYTES);
    if (totalLength !== undefined) arrivals.expect(Math.max(0, totalLength - start));
    arrivals.open({
      maxChunk,
      inputBytes: recordCapacity(maxChunk),
      storeBytes,
      window,
      // Ahead of its turn, a chunk's offset in the output is unproven: workers may write to it only when chunks arrive in order.
      positioned: window === 1,
      optional: false,
    });
  }

  async #exactly(target: Buffer, place: RecordPlace): Promise<void> {
    try {
      await this.#reader.exactly(target);
    } catch (thrown) {
      throw located(thrown, place);
    }
  }

  /** @returns the type of the record that begins here */
  async #begin(place: RecordPlace): Promise<number> {
    const { source, ioTimeout } = this.#input;
    const start = this.#start.subarray(0, RECORD_START_BYTES);
    // Between records the source may idle: the guest may have nothing to send.
    source.patience?.(0);
    let begun: boolean;
    try {
      begun = await this.#reader.fill(start);
    } catch (thrown) {
      throw located(thrown, place);
    }
    if (!begun) {
      throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends without an END record', {
        ...place,
        hint: 'the sender or the link stopped before the end: the transfer must be repeated',
      });
    }
    source.patience?.(ioTimeout);
    return start.readUInt32LE(0);
  }

  async #chunk(place: RecordPlace, arrivals: Arrivals): Promise<void> {
    const { maxChunk, storeBytes } = this.#stream!;
    const start = this.#start.subarray(0, CHUNK_HEADER_BYTES);
    try {
      await this.#reader.exactly(start.subarray(RECORD_START_BYTES));
      const header = readChunkHeader(start, 0, maxChunk, storeBytes > 0);
      this.#order!.accept(header);
      this.#checkSize(header.offset + header.decodedLength);
      const length = header.bodyLength + CHUNK_OVERHEAD;
      const body = await arrivals.room(length);
      start.copy(body);
      await this.#reader.exactly(body.subarray(CHUNK_HEADER_BYTES));
      const { sequence, decodedLength } = header;
      const codec = codecName(header.codec)!;
      arrivals.chunk({ sequence, codec, decodedLength, length, ...place, header }, body);
      arrivals.taken(length);
    } catch (thrown) {
      throw located(thrown, place);
    }
  }

  /** Called before a worker gets the chunk, because workers write decoded chunks to their offsets in a file. */
  #checkSize(end: number): void {
    const { totalLength } = this.#stream!;
    if (this.#maxSize !== undefined && end > this.#maxSize) throw beyondMaxSize(this.#maxSize);
    if (totalLength === undefined || end <= totalLength) return;
    throw new RamferryError(
      'ERR_STREAM_LIMIT',
      `the stream decodes to more than the ${totalLength} bytes that its header announces`,
    );
  }

  async #endRecord(place: RecordPlace): Promise<void> {
    const bytes = this.#start.subarray(0, END_RECORD_BYTES);
    if (bytes.readUInt32LE(4) !== END_RECORD_BYTES) {
      throw new RamferryError('ERR_STREAM_FORMAT', 'the END record has a wrong length', place);
    }
    await this.#exactly(bytes.subarray(RECORD_START_BYTES), place);
  }

  async #expectEnd(): Promise<void> {
    const offset = this.#reader.offset;
    if ((await this.#reader.some(Buffer.alloc(1))) === 0) return;
    throw new RamferryError('ERR_STREAM_TRAILING', 'bytes follow the END record', {
      offset,
      hint: 'the input is longer than the stream: was something appended?',
    });
  }
}
