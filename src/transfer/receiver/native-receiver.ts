// The receiving pipeline for native streams: parser → workers → writer, over a source and a sink that are open.
// Promises exactly the bytes that were sent, or the first error in stream order; success means that END was seen and
// verified and that nothing follows it. The final name of a file is its caller's to give.

import { Buffer } from 'node:buffer';

import { recordCapacity } from '../../chunk/encode.js';
import {
  CHUNK_HEADER_BYTES,
  CHUNK_OVERHEAD,
  type ChunkHeader,
  readChunkHeader,
  RECORD,
} from '../../chunk/record.js';
import { codecName } from '../../codec/codec.js';
import { ChunkOrder } from '../../container/chunk-order.js';
import {
  END_RECORD_BYTES,
  readStreamHeader,
  STREAM_HEADER_BYTES,
  type StreamHeader,
  Totals,
} from '../../container/native.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import { ExactReader } from '../../io/exact-reader.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import { TASK } from '../../slot/job.js';
import { allocateStore } from '../../store/shared.js';
import { DECOMPRESS_ENTRY } from '../../os/entries.js';
import { beyondMaxSize } from './bounded-sink.js';
import { located, nextLocated } from './located.js';
import { announcedGeometry } from '../plan/memory.js';
import type { Outcome, ReceiverSettings, Receiving } from './receiving.js';
import { wasStored } from '../statistics/counts.js';

/** What remains of a record in its slot until its turn comes. */
interface Arrival {
  readonly header: ChunkHeader;
  readonly record: number;
  readonly offset: number;
  readonly length: number;
}

export class NativeReceiver implements Receiving {
  readonly #settings: ReceiverSettings;
  readonly #reader: ExactReader;
  readonly #totals = new Totals();
  readonly #arrivals = new Map<number, Arrival>();
  #stream: StreamHeader | undefined;
  #pool: OrderedPool | undefined;
  #failure: RamferryError | undefined;
  #records = 0;
  #order: ChunkOrder | undefined;

  constructor(settings: ReceiverSettings) {
    this.#settings = settings;
    this.#reader = new ExactReader(settings.source, settings.head, settings.shared);
  }

  /** For tests that kill a worker. */
  get threads(): OrderedPool['threads'] {
    return this.#pool?.threads ?? [];
  }

  abort(error: RamferryError): void {
    this.#failure ??= error;
    this.#pool?.fail(error);
    void this.#settings.source.close();
    // Into a file of ours workers may be writing: its descriptor is given back when they have come home, by our caller.
    if (this.#settings.sink.file === undefined) void this.#settings.sink.abort();
  }

  async run(): Promise<Outcome> {
    const { statistics } = this.#settings;
    const reader = this.#reader;
    const head = Buffer.alloc(STREAM_HEADER_BYTES);
    await reader.exactly(head).catch((thrown: unknown) => {
      throw located(thrown, { record: 0, offset: 0 });
    });
    const stream = readStreamHeader(head);
    this.#stream = stream;
    this.#order = new ChunkOrder(stream.window);
    this.#records = 1;
    statistics.addLinkBytes(head.length);
    if (stream.totalLength !== undefined) statistics.expectBytes(stream.totalLength);
    const pool = this.#openPool(stream);
    if (this.#failure !== undefined) pool.fail(this.#failure);
    let end: { bytes: Buffer; record: number; offset: number } | undefined;
    const parsing = this.#parse(pool).then(
      (found) => {
        end = found;
        pool.end();
      },
      (thrown: unknown) => {
        pool.end(this.#failure ?? toRamferryError(thrown, 'ERR_LINK_CLOSED'));
      },
    );
    try {
      await this.#drain(pool);
      await parsing;
      this.#totals.verify(end!.bytes, end!);
      if (this.#settings.shared !== true) await this.#expectEnd();
      this.#settings.onDelivered?.();
    } catch (thrown) {
      pool.fail(toRamferryError(thrown));
      await this.#settings.source.close();
      await parsing;
      throw thrown;
    } finally {
      statistics.recordBusy(pool.busy);
      await pool.close();
    }
    return { bytes: this.#totals.decodedBytes, verified: true, sums: this.#totals.sums() };
  }

  #openPool(stream: StreamHeader): OrderedPool {
    const { threads, memoryLimit, codecBytes, sink, zstdBinding, hostThreads } = this.#settings;
    const needs = {
      limit: memoryLimit,
      threads,
      chunkSize: stream.maxChunk,
      codecBytes: codecBytes(stream.maxChunk),
      // Chunks that wait for their turn hold a slot each.
      extraSlots: stream.window,
      storeBytes: stream.storeBytes,
    };
    const geometry = announcedGeometry(needs, recordCapacity(stream.maxChunk));
    this.#pool = new OrderedPool({
      entry: DECOMPRESS_ENTRY,
      threads,
      onFewer: this.#settings.onFewer,
      geometry,
      startUp: {
        maxChunk: stream.maxChunk,
        fd: this.#workersWrite ? sink.file!.fd : -1,
        alignment: 1,
        zstdBinding,
        hostThreads,
        store: allocateStore(stream.storeBytes, geometry.slots, this.#settings.storeMemory),
      },
      // Behind the store: whoever takes the threads has asked for its memory.
      crew: this.#settings.crew?.(),
    });
    return this.#pool;
  }

  /** A chunk's place in the file is only certain before its turn when chunks come in order. */
  get #workersWrite(): boolean {
    return this.#settings.sink.file !== undefined && this.#stream!.window === 1;
  }

  /** Reads records up to END. */
  async #parse(pool: OrderedPool): Promise<{ bytes: Buffer; record: number; offset: number }> {
    const { source, ioTimeout, statistics } = this.#settings;
    const reader = this.#reader;
    for (;;) {
      const index = await pool.acquire();
      const { input } = pool.slots[index]!;
      // Between records the link owes us nothing: the guest may have nothing to say.
      source.patience?.(0);
      const place = { record: this.#records, offset: reader.offset };
      const begun = await reader.fill(input.subarray(0, 8)).catch((thrown: unknown) => {
        throw located(thrown, place);
      });
      if (!begun) {
        throw new RamferryError('ERR_STREAM_TRUNCATED', 'the stream ends without an END record', {
          ...place,
          hint: 'the sender or the link stopped before the end: the transfer must be repeated',
        });
      }
      source.patience?.(ioTimeout);
      const type = input.readUInt32LE(0);
      if (type === RECORD.end) {
        const bytes = Buffer.from(input.subarray(0, END_RECORD_BYTES));
        pool.release(index);
        if (bytes.readUInt32LE(4) !== END_RECORD_BYTES) {
          throw new RamferryError('ERR_STREAM_FORMAT', 'the END record has a wrong length', place);
        }
        await reader.exactly(bytes.subarray(8)).catch((thrown: unknown) => {
          throw located(thrown, place);
        });
        statistics.addLinkBytes(bytes.length);
        this.#order!.complete(place);
        return { bytes, ...place };
      }
      if (type !== RECORD.chunk) {
        throw new RamferryError('ERR_STREAM_FORMAT', `unknown record type ${type}`, place);
      }
      const length = await this.#readChunk(pool, index, place);
      statistics.addLinkBytes(length);
      this.#records++;
    }
  }

  async #readChunk(
    pool: OrderedPool,
    index: number,
    place: { record: number; offset: number },
  ): Promise<number> {
    const reader = this.#reader;
    const { input, decode } = pool.slots[index]!;
    const { maxChunk, storeBytes } = this.#stream!;
    try {
      await reader.exactly(input.subarray(8, CHUNK_HEADER_BYTES));
      const header = readChunkHeader(input, 0, maxChunk, storeBytes > 0);
      this.#order!.accept(header);
      this.#checkSize(header.offset + header.decodedLength);
      const length = header.bodyLength + CHUNK_OVERHEAD;
      await reader.exactly(input.subarray(CHUNK_HEADER_BYTES, length));
      this.#arrivals.set(header.sequence, { header, ...place, length });
      decode.begin();
      decode.task = TASK.decode;
      decode.inputLength = length;
      decode.sequence = header.sequence;
      if (this.#workersWrite) decode.writeAt = header.offset;
      pool.push(index, header.sequence);
      return length;
    } catch (thrown) {
      throw located(thrown, place);
    }
  }

  /** Before anything is decoded: workers may write a chunk to its place in a file at once. */
  #checkSize(end: number): void {
    const { maxSize } = this.#settings;
    const { totalLength } = this.#stream!;
    if (maxSize !== undefined && end > maxSize) throw beyondMaxSize(maxSize);
    if (totalLength === undefined || end <= totalLength) return;
    throw new RamferryError(
      'ERR_STREAM_LIMIT',
      `the stream decodes to more than the ${totalLength} bytes that its header announces`,
    );
  }

  async #drain(pool: OrderedPool): Promise<void> {
    const { sink, statistics } = this.#settings;
    for (;;) {
      const index = await nextLocated(pool, this.#arrivals);
      if (index === undefined) return;
      const slot = pool.slots[index]!;
      const { header, length, ...place } = this.#arrivals.get(pool.position - 1)!;
      this.#arrivals.delete(header.sequence);
      if (header.offset !== this.#totals.decodedBytes) {
        throw new RamferryError(
          'ERR_STREAM_ORDER',
          `chunk ${header.sequence} claims a place that is not its own`,
          {
            ...place,
            sequence: header.sequence,
          },
        );
      }
      if (!this.#workersWrite) await sink.write(slot.output.subarray(0, header.decodedLength));
      this.#totals.add(header, length, slot.input.readBigUInt64LE(length - 8));
      statistics.addGuestBytes(header.decodedLength);
      statistics.addChunk({
        codec: codecName(header.codec)!,
        decoded: header.decodedLength,
        encoded: length,
        pages: header,
        stored: wasStored(codecName(header.codec)!, header),
      });
      pool.release(index);
    }
  }

  async #expectEnd(): Promise<void> {
    const reader = this.#reader;
    const offset = reader.offset;
    if ((await reader.some(Buffer.alloc(1))) > 0) {
      throw new RamferryError('ERR_STREAM_TRAILING', 'bytes follow the END record', {
        offset,
        hint: 'the input is longer than the stream: was something appended?',
      });
    }
  }
}
