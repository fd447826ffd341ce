// Receives a Xen stream: our records are decoded on the workers, everything else passes untouched (method `xenguest`).
// A stream without our records passes as it is and ends as unverified. What the stream must be like, and where it ends,
// is with the parser; here are the threads, the order of what is delivered, and the comparison with the totals.

import { Buffer } from 'node:buffer';

import { recordCapacity } from '../../chunk/encode.js';
import { readChunkHeader } from '../../chunk/record.js';
import { codecName } from '../../codec/codec.js';
import { ENVELOPE_BYTES, type Envelope, isCut, XenguestTotals } from '../../container/xenguest.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import type { LibxcRecord } from '../../grammar/xen/libxc-records.js';
import type { XenKind } from '../../grammar/xen/wrapping.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import { HOLDS } from '../../slot/decode-job.js';
import { TASK } from '../../slot/job.js';
import { allocateStore } from '../../store/shared.js';
import { DECOMPRESS_ENTRY } from '../../os/entries.js';
import { located, nextLocated } from './located.js';
import { announcedGeometry } from '../plan/memory.js';
import { hangUp, type Outcome, type ReceiverSettings, type Receiving } from './receiving.js';
import { wasStored } from '../statistics/counts.js';
import type { ArrivedChunk, XenDeliveries } from './xen-deliveries.js';
import { XenParser } from './xen-parser.js';

export class XenReceiver implements Receiving, XenDeliveries {
  readonly #settings: ReceiverSettings;
  readonly #parser: XenParser;
  readonly #totals = new XenguestTotals();
  #pool: OrderedPool | undefined;
  #draining: Promise<void> | undefined;
  #failure: RamferryError | undefined;
  #envelope: Envelope | undefined;
  /** That the chunk record at hand is read into. */
  #slot = 0;
  /** Where the records stand whose chunks are under way, by sequence number. */
  readonly #places = new Map<number, { record: number; offset: number }>();

  constructor(settings: ReceiverSettings, kind: XenKind) {
    this.#settings = settings;
    this.#parser = new XenParser(settings, kind, this);
  }

  abort(error: RamferryError): void {
    this.#failure ??= error;
    this.#pool?.fail(error);
    hangUp(this.#settings);
  }

  async run(): Promise<Outcome> {
    try {
      await this.#parser.run();
      this.#pool?.end();
    } catch (thrown) {
      const error = this.#failure ?? toRamferryError(thrown, 'ERR_LINK_CLOSED');
      if (this.#pool === undefined) throw error;
      this.#pool.end(error);
    }
    try {
      await this.#draining;
      this.#settings.onDelivered?.();
    } finally {
      await this.#pool?.close();
    }
    // A stream of ours that was not verified has ended in an error.
    return { bytes: this.#totals.decodedBytes, verified: this.#parser.ours, sums: this.#totals.sums() };
  }

  open(envelope: Envelope): void {
    const { threads, memoryLimit, codecBytes, zstdBinding, hostThreads } = this.#settings;
    this.#envelope = envelope;
    const needs = {
      limit: memoryLimit,
      threads,
      chunkSize: envelope.maxChunk,
      codecBytes: codecBytes(envelope.maxChunk),
      extraSlots: 1,
      storeBytes: envelope.storeBytes,
    };
    const geometry = announcedGeometry(needs, ENVELOPE_BYTES + recordCapacity(envelope.maxChunk) + 8);
    const pool = new OrderedPool({
      entry: DECOMPRESS_ENTRY,
      threads,
      onFewer: this.#settings.onFewer,
      geometry,
      startUp: {
        maxChunk: envelope.maxChunk,
        fd: -1,
        alignment: 1,
        zstdBinding,
        hostThreads,
        store: allocateStore(envelope.storeBytes, geometry.slots, this.#settings.storeMemory),
      },
      // Behind the store: whoever takes the threads has asked for its memory.
      crew: this.#settings.crew?.(),
    });
    this.#pool = pool;
    if (this.#failure !== undefined) pool.fail(this.#failure);
    this.#draining = this.#drain(pool);
    this.#draining.catch((thrown: unknown) => {
      pool.fail(toRamferryError(thrown));
      void this.#settings.source.close();
    });
  }

  async room(length: number): Promise<Buffer> {
    const pool = this.#pool!;
    this.#slot = await pool.acquire();
    return pool.slots[this.#slot]!.input.subarray(0, length);
  }

  chunk({ record, header, length }: ArrivedChunk): void {
    const pool = this.#pool!;
    const { decode } = pool.slots[this.#slot]!;
    this.#places.set(header.sequence, { record: record.number, offset: record.offset });
    decode.begin();
    decode.task = TASK.decode;
    decode.inputOffset = ENVELOPE_BYTES;
    decode.inputLength = length;
    decode.sequence = header.sequence;
    decode.streamOffset = record.offset;
    pool.push(this.#slot);
  }

  /** In its turn among the chunks; before the first chunk at once. */
  async pass(bytes: Buffer): Promise<void> {
    if (this.#pool === undefined) {
      await this.#settings.sink.write(bytes);
      this.#totals.verbatim(bytes);
      this.#settings.statistics.addGuestBytes(bytes.length);
      return;
    }
    for (let at = 0; at < bytes.length;) {
      const index = await this.#pool.acquire();
      const { decode, output } = this.#pool.slots[index]!;
      const n = bytes.copy(output, 0, at);
      at += n;
      decode.begin();
      decode.holds = HOLDS.verbatim;
      decode.outputLength = n;
      this.#pool.pushDone(index);
    }
  }

  async totals(record: LibxcRecord, body: Buffer): Promise<void> {
    if (this.#pool === undefined) {
      this.#verify(body, record);
      return;
    }
    const index = await this.#pool.acquire();
    const { decode, output } = this.#pool.slots[index]!;
    decode.begin();
    decode.holds = HOLDS.totals;
    decode.outputLength = body.copy(output);
    decode.streamOffset = record.offset;
    this.#pool.pushDone(index);
  }

  #verify(body: Buffer, place: { number?: number; offset: number }): void {
    try {
      this.#totals.verify(body, isCut(body));
    } catch (thrown) {
      throw located(thrown, { offset: place.offset });
    }
  }

  async #drain(pool: OrderedPool): Promise<void> {
    const { sink, statistics } = this.#settings;
    for (;;) {
      const index = await nextLocated(pool, this.#places);
      if (index === undefined) break;
      const { decode, input, output } = pool.slots[index]!;
      const bytes = output.subarray(0, decode.outputLength);
      if (decode.holds === HOLDS.totals) {
        this.#verify(bytes, { offset: decode.streamOffset });
      } else {
        if (decode.holds === HOLDS.chunk) this.#count(input, decode.inputLength);
        else this.#totals.verbatim(bytes);
        await sink.write(bytes);
        statistics.addGuestBytes(bytes.length);
      }
      pool.release(index);
    }
    statistics.recordBusy(pool.busy);
  }

  #count(input: Buffer, recordLength: number): void {
    const record = input.subarray(ENVELOPE_BYTES, ENVELOPE_BYTES + recordLength);
    const { maxChunk, storeBytes } = this.#envelope!;
    const header = readChunkHeader(record, 0, maxChunk, storeBytes > 0);
    const { sequence } = header;
    const place = this.#places.get(sequence);
    this.#places.delete(sequence);
    if (header.offset !== this.#totals.decodedBytes) {
      throw new RamferryError('ERR_STREAM_ORDER', `chunk ${sequence} claims a place that is not its own`, {
        ...place,
        sequence,
      });
    }
    this.#totals.chunk(header, input.subarray(0, ENVELOPE_BYTES), record);
    this.#settings.statistics.addChunk({
      codec: codecName(header.codec)!,
      decoded: header.decodedLength,
      encoded: recordLength,
      pages: header,
      stored: wasStored(codecName(header.codec)!, header),
    });
  }
}
