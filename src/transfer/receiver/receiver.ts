// The receiving pipeline: the workers decode the chunks of an inlet, and the pipeline delivers them in stream order. Source and
// sink are open. Delivers exactly the bytes that were sent, or rejects with the first error in stream order. The caller gives
// an output file its final name.

import type { Buffer } from 'node:buffer';

import type {
  ArrivedChunk,
  Arrivals,
  Inlet,
  InletOutcome,
  SlotSizes,
  StreamNeeds,
} from '../../container/inlet.js';
import { located } from '../../container/located.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import { DECOMPRESS_ENTRY } from '../../os/entries.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import { Decompressor } from '../../worker/decompressor.js';
import type { FewerThreads, GivenThreads } from '../../pool/worker-pool.js';
import { HOLDS } from '../../slot/decode-job.js';
import type { SlotGeometry, SlotViews } from '../../slot/layout.js';
import { allocateStore, storeAhead, type StoreMemory } from '../../store/shared.js';
import type { RestorePlan } from '../plan/receive-plan.js';
import { streamSlots } from '../plan/stream-slots.js';
import { wasStored } from '../statistics/counts.js';
import type { Statistics } from '../statistics/statistics.js';

/** The two ends of a stream. */
export interface ReceiverEnds {
  readonly source: ByteSource;
  /** Bytes of the source that were read to recognise the stream. */
  readonly head: Uint8Array;
  readonly sink: ByteSink;
}

/** Optional collaborators of a receiver, besides its plan and its ends. */
export interface ReceiverExtras {
  readonly statistics: Statistics;
  /** Called once, when the host allows fewer threads than planned. */
  readonly onFewer?: FewerThreads | undefined;
  /** Hands over pre-started threads; the receiver closes them. Undefined if none are running. */
  readonly takeThreads?: (() => GivenThreads | undefined) | undefined;
  /** Memory for the page store that was allocated beforehand. */
  readonly storeMemory?: StoreMemory | undefined;
  /** Called when the sink has accepted everything and all of it is verified, before the threads end. */
  readonly onDelivered?: (() => void) | undefined;
}

/** One transfer. Call run() once; abort() is allowed at any time. */
export class Receiver implements Arrivals {
  readonly #inlet: Inlet;
  readonly #plan: RestorePlan;
  readonly #ends: ReceiverEnds;
  readonly #extras: ReceiverExtras;
  #pool: OrderedPool | undefined;
  #draining: Promise<void> | undefined;
  #failure: RamferryError | undefined;
  #needs: StreamNeeds | undefined;
  /** The slot into which the inlet reads the current chunk. */
  #slot = 0;
  /** Chunks in flight, by sequence number. */
  readonly #chunks = new Map<number, ArrivedChunk>();

  constructor(inlet: Inlet, plan: RestorePlan, ends: ReceiverEnds, extras: ReceiverExtras) {
    this.#inlet = inlet;
    this.#plan = plan;
    this.#ends = ends;
    this.#extras = extras;
  }

  /** For tests that kill a worker. */
  get threads(): OrderedPool['threads'] {
    return this.#pool?.threads ?? [];
  }

  /** Aborts the transfer: run() rejects with this error. */
  abort(error: RamferryError): void {
    this.#failure ??= error;
    this.#pool?.fail(error);
    const { source, sink } = this.#ends;
    void source.close();
    // Workers may still write to the output file, so the caller closes its descriptor after run() has ended them.
    if (sink.file === undefined) void sink.abort();
  }

  async run(): Promise<InletOutcome> {
    try {
      await this.#inlet.read(this).then(
        () => this.#pool?.end(),
        (thrown: unknown) => this.#endWith(this.#failure ?? toRamferryError(thrown, 'ERR_LINK_CLOSED')),
      );
      await this.#draining;
      this.#extras.onDelivered?.();
    } catch (thrown) {
      throw this.#failure ?? thrown;
    } finally {
      await this.#close();
    }
    const outcome = this.#inlet.outcome();
    if (outcome.streamEnd !== undefined) this.#extras.statistics.recordStreamEnd(outcome.streamEnd);
    return outcome;
  }

  /** Delivers the bytes read before the error, then fails. */
  #endWith(error: RamferryError): void {
    if (this.#pool === undefined) throw error;
    this.#pool.end(error);
  }

  // --- findings of the inlet ---

  open(needs: StreamNeeds): SlotSizes | undefined {
    try {
      const geometry = streamSlots(this.#plan, needs);
      if (geometry !== undefined) this.#start(needs, geometry);
      return geometry;
    } catch (thrown) {
      // toRamferryError keeps a missing resource of the host from being reported as an error of the stream.
      throw toRamferryError(thrown);
    }
  }

  async room(length: number): Promise<Buffer> {
    const pool = this.#pool!;
    this.#slot = await pool.acquire();
    return pool.slots[this.#slot]!.input.subarray(0, length);
  }

  chunk(chunk: ArrivedChunk): void {
    const { window } = this.#needs!;
    const { decode } = this.#pool!.slots[this.#slot]!;
    this.#chunks.set(chunk.sequence, chunk);
    decode.begin();
    decode.task = this.#inlet.task;
    decode.codec = chunk.codec;
    decode.inputOffset = this.#inlet.prefix;
    decode.inputLength = chunk.length;
    decode.outputBound = chunk.decodedLength;
    decode.sequence = chunk.sequence;
    decode.streamOffset = chunk.offset;
    if (this.#workersWrite) decode.writeAt = chunk.header!.offset;
    // A stream with a reorder window consists of chunks only, so the sequence number is the position in the order.
    this.#pool!.push(this.#slot, window > 1 ? chunk.sequence : undefined);
  }

  /** Delivers bytes in their turn among the chunks. Before the first chunk the sink gets them at once. */
  async pass(bytes: Uint8Array): Promise<void> {
    const pool = this.#pool;
    if (pool === undefined) return this.#write(bytes);
    for (let at = 0; at < bytes.length;) {
      const index = await pool.acquire();
      const { decode, output } = pool.slots[index]!;
      const piece = bytes.subarray(at, at + output.length);
      output.set(piece);
      at += piece.length;
      decode.begin();
      decode.holds = HOLDS.verbatim;
      decode.outputLength = piece.length;
      pool.pushDone(index);
    }
  }

  async totals(): Promise<void> {
    const pool = this.#pool;
    if (pool === undefined) {
      this.#inlet.verify();
      return;
    }
    const index = await pool.acquire();
    const { decode } = pool.slots[index]!;
    decode.begin();
    decode.holds = HOLDS.totals;
    pool.pushDone(index);
  }

  async settle(): Promise<void> {
    this.#pool?.end();
    await this.#draining;
    await this.#close();
  }

  taken(bytes: number): void {
    this.#extras.statistics.addLinkBytes(bytes);
  }

  expect(totalLength: number): void {
    this.#extras.statistics.expectBytes(totalLength);
  }

  // --- threads ---

  #start(needs: StreamNeeds, geometry: SlotGeometry): void {
    const { threads, zstdBinding, hostThreads, inline = true } = this.#plan;
    const { onFewer, takeThreads, storeMemory } = this.#extras;
    this.#needs = needs;
    const pool = new OrderedPool({
      entry: DECOMPRESS_ENTRY,
      threads,
      onFewer,
      geometry,
      startUp: {
        maxChunk: needs.maxChunk,
        fd: this.#workersWrite ? this.#ends.sink.file!.fd : -1,
        alignment: 1,
        zstdBinding,
        hostThreads,
        store: allocateStore(needs.storeBytes, geometry.slots, storeMemory),
      },
      inline: inline ? (startUp) => new Decompressor(startUp, undefined, storeAhead(startUp)) : undefined,
      given: takeThreads?.(),
    });
    this.#pool = pool;
    if (this.#failure !== undefined) pool.fail(this.#failure);
    this.#draining = this.#drain(pool);
    this.#draining.catch((thrown: unknown) => {
      pool.fail(toRamferryError(thrown));
      // Ends the pending read of the inlet.
      void this.#ends.source.close();
    });
  }

  get #workersWrite(): boolean {
    return this.#needs?.positioned === true && this.#ends.sink.file !== undefined;
  }

  async #drain(pool: OrderedPool): Promise<void> {
    for (;;) {
      const index = await this.#next(pool);
      if (index === undefined) return;
      const slot = pool.slots[index]!;
      switch (slot.decode.holds) {
        case HOLDS.chunk:
          await this.#deliver(slot);
          break;
        case HOLDS.verbatim:
          await this.#write(slot.output.subarray(0, slot.decode.outputLength));
          break;
        default:
          this.#inlet.verify();
      }
      pool.release(index);
    }
  }

  /** Takes the next slot in order. Adds the record's number and offset to a worker's error, which names only the chunk. */
  async #next(pool: OrderedPool): Promise<number | undefined> {
    try {
      return await pool.next();
    } catch (thrown) {
      const sequence = thrown instanceof RamferryError ? thrown.place.sequence : undefined;
      const chunk = sequence === undefined ? undefined : this.#chunks.get(sequence);
      if (chunk?.record === undefined) throw thrown;
      throw located(thrown, { record: chunk.record, offset: chunk.offset });
    }
  }

  async #deliver(slot: SlotViews): Promise<void> {
    const { decode, output } = slot;
    const { statistics } = this.#extras;
    const { sequence } = decode;
    const chunk = this.#chunks.get(sequence)!;
    this.#chunks.delete(sequence);
    const decoded = decode.outputLength;
    const pages = this.#inlet.deliver(chunk, slot);
    if (!this.#workersWrite) await this.#ends.sink.write(output.subarray(0, decoded));
    if (chunk.header !== undefined) {
      this.#ends.sink.partial?.completed(chunk.header.offset, decoded, chunk.header.decodedChecksum);
    }
    statistics.addGuestBytes(decoded);
    const { codec } = chunk;
    statistics.addChunk({ codec, decoded, encoded: chunk.length, pages, stored: wasStored(codec, pages) });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#ends.sink.write(bytes);
    this.#inlet.passed(bytes);
    this.#extras.statistics.addGuestBytes(bytes.length);
  }

  /** Ends the threads. */
  async #close(): Promise<void> {
    const pool = this.#pool;
    if (pool === undefined) return;
    this.#extras.statistics.recordBusy(pool.busy);
    await pool.close();
    this.#pool = undefined;
  }
}
