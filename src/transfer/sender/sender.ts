// The sending pipeline: feeder → workers → writer, over a source and a sink that are open already.
// Promises the whole stream in the sink or the first error in stream order; leaves opening, closing and the final name
// to its caller.

import { encodeChunk } from '../../chunk/encode.js';
import { Planner } from '../../chunk/plan.js';
import type { CodecName } from '../../codec/codec.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSource, PositionedInput } from '../../io/bytes.js';
import { directPlaces, readExtent } from '../../io/direct.js';
import type { HostThreadsKey } from '../../os/host-threads.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import type { FewerThreads, GivenThreads } from '../../pool/worker-pool.js';
import { TASK } from '../../slot/job.js';
import type { SlotGeometry, SlotViews } from '../../slot/layout.js';
import { jobDone } from '../../slot/outcome.js';
import { ChunkWriter, type WritingSettings } from './chunk-writer.js';
import { COMPRESS_ENTRY } from '../../os/entries.js';
import { feedExtents } from './extent-feeder.js';
import { type ChunkTaker, StreamFeeder } from './feeder.js';
import type { Cut } from './filler.js';
import type { RoundCounter } from '../statistics/rounds.js';
import type { StoreMemory } from '../../store/shared.js';
import { SendingStore } from './sending-store.js';

export interface SenderSettings extends WritingSettings {
  readonly source: ByteSource;
  /** Bytes of the source that were read already. */
  readonly head: Uint8Array;
  /** How the stream is walked; undefined = a regular file of pages, whose extents the workers read. */
  readonly grammar: Grammar | undefined;
  readonly geometry: SlotGeometry;
  readonly threads: number;
  readonly chunkSize: number;
  readonly codec: CodecName;
  readonly level: number;
  /** Niceness of the worker threads. */
  readonly nice?: number | undefined;
  /** Called before each chunk: waits while the transfer takes more processor time than it may. */
  readonly admit?: (() => Promise<void> | undefined) | undefined;
  /** False: a chunk that finds no free worker goes out stored. */
  readonly waitThread: boolean;
  readonly selfCheck: boolean;
  readonly flushAfter: number;
  readonly zstdBinding: string;
  /** zstd looks for repetitions all over a chunk. */
  readonly longDistance?: boolean;
  /** Bytes of the page store; 0 or absent = none. Then the geometry has suggestions, and a grammar is there. */
  readonly storeBytes?: number;
  readonly hostThreads?: HostThreadsKey | undefined;
  /** Called once, when the host gives fewer threads than were asked for. */
  readonly onFewer?: FewerThreads | undefined;
  /** Threads that are there already; whoever asks has them. */
  readonly crew?: (() => GivenThreads | undefined) | undefined;
  /** Memory for the page store that is there already. */
  readonly storeMemory?: StoreMemory | undefined;
  /** Called first of all when something fails, before anything is closed. */
  readonly onFailure?: ((error: RamferryError) => void) | undefined;
  /** Is told the pages of the stream. */
  readonly rounds?: RoundCounter | undefined;
  /** Called when the input is over, with its length and before the stream's own end is written; what it throws ends the transfer. */
  readonly onInputEnd?: ((bytes: number) => void) | undefined;
  /** Called with what reading the input failed with, after so many bytes; returns what the transfer fails with. */
  readonly onInputFailure?: ((thrown: unknown, bytes: number) => RamferryError) | undefined;
}

/** Where slots must begin for direct reads; all their input areas are then at multiples of a page from there. */
function directBase(file: PositionedInput, arena: SharedArrayBuffer): number {
  const places = directPlaces(file.fd, arena);
  if (places !== undefined) return places.offset;
  throw new RamferryError('ERR_INPUT_READ', 'direct reads of the input do not work into this memory', {
    hint: 'leave --direct-io out',
  });
}

export class Sender implements ChunkTaker {
  readonly #settings: SenderSettings;
  readonly #pool: OrderedPool;
  readonly #writer: ChunkWriter;
  #sequence = 0;
  /** The input ended where its format says that it ends. */
  #complete = false;
  /** The input broke off. */
  #incomplete: RamferryError | undefined;
  #inlinePlanner: Planner | undefined;
  #feeder: StreamFeeder | undefined;
  readonly #store: SendingStore | undefined;

  constructor(settings: SenderSettings) {
    this.#settings = settings;
    const atOnce = settings.sink.writeAll === undefined ? 1 : Math.floor(settings.geometry.slots / 3);
    const file = settings.grammar === undefined ? settings.source.file! : undefined;
    this.#store = SendingStore.open(settings.storeBytes ?? 0, settings.geometry.slots, settings.storeMemory);
    this.#pool = new OrderedPool({
      entry: COMPRESS_ENTRY,
      threads: settings.threads,
      crew: settings.crew?.(),
      onFewer: settings.onFewer,
      geometry: settings.geometry,
      atOnce,
      ...(file === undefined || file.alignment === 1 ? {} : { place: (arena) => directBase(file, arena) }),
      startUp: {
        maxChunk: settings.chunkSize,
        fd: file?.fd ?? -1,
        alignment: file?.alignment ?? 1,
        zstdBinding: settings.zstdBinding,
        longDistance: settings.longDistance,
        hostThreads: settings.hostThreads,
        nice: settings.nice,
        store: this.#store?.startUp,
      },
    });
    this.#writer = new ChunkWriter({ ...settings, pool: this.#pool, store: this.#store, atOnce });
  }

  /** For tests that kill a worker. */
  get threads(): OrderedPool['threads'] {
    return this.#pool.threads;
  }

  /** Ends the transfer from outside: run() rejects with this error. */
  abort(error: RamferryError): void {
    this.#settings.window?.fail(error);
    this.#pool.fail(error);
    void this.#settings.source.close();
    void this.#settings.sink.abort();
  }

  /**
   * Whether a reader that has this many decoded bytes of the stream may have its final part, and so run the guest. Where the format
   * does not tell where that part begins, all bytes that have come so far may be all.
   */
  reachesFinal(bytes: number): boolean {
    const { grammar, source } = this.#settings;
    const received = grammar === undefined ? source.file!.size : (this.#feeder?.received ?? 0);
    return bytes > (grammar?.finalFrom ?? Math.max(0, received - 1));
  }

  /** A byte of the final part, or of what closes the stream, may have reached the other side. */
  get finalMayHaveLeft(): boolean {
    return this.#writer.closing || this.reachesFinal(this.#writer.handed);
  }

  /** The other side may have the whole stream: from now on it may say so. */
  get allMayHaveLeft(): boolean {
    const { grammar } = this.#settings;
    // A bare libxc stream has nothing behind its END: then its last chunk is the last write.
    const ended = grammar?.state === 'done' && this.#writer.handed >= (this.#feeder?.offset ?? Infinity);
    return this.#writer.closing || ended;
  }

  /** What was not delivered yet is of no use: a destination that waits for more, and takes nothing, must not be waited for. */
  #giveUp(incomplete: RamferryError): void {
    this.#incomplete = incomplete;
    this.abort(incomplete);
  }

  /** Sends everything up to and including END. */
  async run(): Promise<void> {
    const feeding = this.#feed().then(
      () => {
        this.#pool.end();
      },
      (thrown: unknown) => {
        const error = toRamferryError(thrown, 'ERR_INPUT_READ');
        if (error.code === 'ERR_INPUT_INCOMPLETE') this.#giveUp(error);
        else this.#pool.end(error);
      },
    );
    try {
      await this.#writer.run(() => {
        // Before the end leaves: without it no receiver takes the stream for whole.
        this.#settings.source.unchanged?.();
        return this.#complete;
      });
      await feeding;
    } catch (thrown) {
      const error = toRamferryError(thrown);
      this.#settings.onFailure?.(error);
      // The feeder may wait for a slot or sit in a read: both end now.
      this.#pool.fail(error);
      this.#store?.fail(error);
      await this.#settings.source.close();
      await feeding;
      throw this.#incomplete ?? thrown;
    } finally {
      this.#settings.statistics.recordBusy(this.#pool.busy);
      if (this.#store !== undefined) this.#settings.statistics.recordStore(this.#store.counts);
      await this.#pool.close();
    }
  }

  async #feed(): Promise<void> {
    const { source, head, grammar, chunkSize, flushAfter } = this.#settings;
    if (grammar === undefined) {
      await feedExtents(source.file!, this.#pool, chunkSize, this);
      this.#settings.onInputEnd?.(source.file!.size);
      this.#complete = true;
      return;
    }
    const feeder = (this.#feeder = new StreamFeeder({
      source,
      head,
      grammar,
      pool: this.#pool,
      chunkSize,
      regions: this.#settings.outlet.regions,
      identities: this.#store !== undefined,
      flushAfter,
      taker: this,
      rounds: this.#settings.rounds,
    }));
    await feeder.run().catch((thrown: unknown) => {
      if (thrown !== feeder.inputFailure) throw thrown;
      throw this.#settings.onInputFailure?.(thrown, feeder.offset) ?? thrown;
    });
    this.#settings.onInputEnd?.(feeder.offset);
    this.#complete = grammar.state === 'done';
  }

  async take(index: number, cut: Cut): Promise<void> {
    const slot = this.#pool.slots[index]!;
    const job = slot.encode;
    const { codec, level, chooser, admit, selfCheck, waitThread, outlet } = this.#settings;
    job.endsInImageHeader = cut.header === 'image';
    job.markFollows = cut.header === 'domain';
    job.totalsFollow = cut.header === undefined && cut.totals;
    // Noted here: when the slot leaves, the grammar may be in another stream of the same input.
    job.bigEndian = this.#settings.grammar?.bigEndian === true;
    const compressed = cut.pageData || (cut.rest === true && outlet.compressesRest !== false);
    job.unstructured = cut.rest === true;
    if (cut.length === 0 || (outlet.regions && !compressed)) {
      job.verbatim = true;
      this.#pool.pushDone(index);
      return;
    }
    if (admit !== undefined) await admit();
    job.task = outlet.task;
    job.outputOffset = outlet.prefix;
    job.segmentCount = cut.segments;
    job.codec = codec;
    job.level = level;
    job.selfCheck = selfCheck;
    chooser?.prepare(job);
    job.sequence = this.#sequence++;
    if (waitThread || outlet.task !== TASK.encode || this.#pool.hasFreeWorker) {
      await this.#store?.enter(slot, cut.identities!);
      this.#pool.push(index);
      return;
    }
    this.#store?.skip(job.sequence);
    await this.#storeInline(slot);
    this.#pool.busy++;
    this.#pool.pushDone(index);
  }

  /** No worker is free and nobody wants to wait: the main thread sends the chunk as it is. */
  async #storeInline(slot: SlotViews): Promise<void> {
    const { encode: job } = slot;
    const { inputLength: length, segmentCount, readAt, sequence, offset } = job;
    if (readAt >= 0) {
      const { fd, alignment } = this.#settings.source.file!;
      readExtent(fd, slot.input, length, readAt, alignment);
    }
    this.#inlinePlanner ??= new Planner(this.#settings.chunkSize);
    const { length: recordLength } = await encodeChunk(
      this.#inlinePlanner,
      { front: slot.front, length, segments: slot.segments, segmentCount },
      {
        place: { sequence, needs: 0, offset },
        coding: { codec: undefined, level: 0, storeOnly: true },
      },
      slot.output,
      job.outputOffset,
    );
    job.outputLength = recordLength;
    jobDone(slot);
  }
}
