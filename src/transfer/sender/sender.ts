// `Sender`: the sending pipeline, feeder → workers → writer, over an open source and an open sink.
// Promises the whole stream in the sink, or the first error in stream order. The caller opens both, and finishes the sink: it closes
// the link or gives a file its final name.

import type { Outlet } from '../../container/outlet.js';
import type { StreamSums } from '../../container/sums.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSink, ByteSource, PositionedInput } from '../../io/bytes.js';
import { directPlaces } from '../../io/file/direct.js';
import { PAGE_BYTES } from '../../page/size.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import { Compressor } from '../../worker/compressor.js';
import type { FewerThreads, GivenThreads } from '../../pool/worker-pool.js';
import type { DeliveryWindow } from '../pace/delivery-window.js';
import type { SwitchoverPace } from '../pace/switchover-pace.js';
import type { TransferPlan } from '../plan/transfer-plan.js';
import { ChunkWriter, type ChunkWriterSettings } from './chunk-writer.js';
import { ChunkDispatcher } from './dispatcher.js';
import { openOutlet } from './open-outlet.js';
import { COMPRESS_ENTRY } from '../../os/entries.js';
import { feedExtents } from './extent-feeder.js';
import { StreamFeeder } from './feeder.js';
import type { PageTally } from '../statistics/counts.js';
import type { RoundCounter } from '../statistics/rounds.js';
import type { Statistics } from '../statistics/statistics.js';
import { storeAhead, type StoreMemory } from '../../store/shared.js';
import { SendingStore } from './sending-store.js';

/** The two ends of a transfer, open. */
export interface SenderEnds {
  readonly source: ByteSource;
  /** Bytes of the source that were read already; none by default. */
  readonly head?: Uint8Array | undefined;
  /** The grammar that the plan names; undefined where the workers read extents of a regular file. */
  readonly grammar: Grammar | undefined;
  readonly sink: ByteSink;
  /** Replaces the outlet of the plan's container. */
  readonly outlet?: Outlet | undefined;
}

/** Collaborators and callbacks of a sender. */
export interface SenderCollaborators {
  readonly statistics: Statistics;
  /** Chooses codec and level of each chunk (adaptive mode). */
  readonly chooser?: ChunkWriterSettings['chooser'];
  readonly deliveryWindow?: DeliveryWindow | undefined;
  readonly switchover?: SwitchoverPace | undefined;
  /** Counts the rounds of pre-copy by the pages of the stream. */
  readonly rounds?: RoundCounter | undefined;
  /** Hands over pre-started threads; the caller must close them. Undefined if none are running. */
  readonly takeThreads?: (() => GivenThreads | undefined) | undefined;
  /** Gives memory for the page store that was allocated beforehand. */
  readonly storeMemory?: StoreMemory | undefined;
  /** Called once, when the host starts fewer threads than requested. */
  readonly onFewer?: FewerThreads | undefined;
  /** Called at the end of the input with its length, before the stream's own end is written. An error that it throws ends the transfer. */
  readonly onInputEnd?: ((bytes: number) => void) | undefined;
  /** Called with the error of a read, after so many bytes. Returns the error of the transfer. */
  readonly onInputFailure?: ((thrown: unknown, bytes: number) => RamferryError) | undefined;
  /** Called when the sink has taken the last byte, before the threads end. */
  readonly onWritten?: (() => void) | undefined;
  /** Called with the transfer's error before anything is closed. */
  readonly onFailure?: ((error: RamferryError) => void) | undefined;
}

const NO_BYTES = new Uint8Array(0);

/** The offset at which slots must begin for direct reads. All input areas are at multiples of a page from there. */
function directBase(file: PositionedInput, arena: SharedArrayBuffer): number {
  const places = directPlaces(file.fd, arena);
  if (places !== undefined) return places.offset;
  throw new RamferryError('ERR_INPUT_READ', 'direct reads of the input do not work into this memory', {
    hint: 'leave --direct-io out',
  });
}

export class Sender {
  readonly #plan: TransferPlan;
  readonly #ends: SenderEnds;
  readonly #with: SenderCollaborators;
  readonly #outlet: Outlet;
  /** Bytes of a RAM image whose extents the workers have read. */
  #extentBytes = 0;
  readonly #pool: OrderedPool;
  readonly #writer: ChunkWriter;
  readonly #store: SendingStore | undefined;
  readonly #dispatcher: ChunkDispatcher;
  /** The input ended at the end that its format defines. */
  #complete = false;
  /** Set when the input broke off. */
  #incomplete: RamferryError | undefined;
  #feeder: StreamFeeder | undefined;

  constructor(plan: TransferPlan, ends: SenderEnds, collaborators: SenderCollaborators) {
    this.#plan = plan;
    this.#ends = ends;
    this.#with = collaborators;
    this.#outlet = ends.outlet ?? openOutlet(plan);
    const { slots, storeBytes } = plan.memory;
    const atOnce = ends.sink.writeAll === undefined ? 1 : Math.floor(slots.slots / 3);
    this.#store = SendingStore.open(storeBytes, slots.slots, collaborators.storeMemory);
    this.#pool = this.#openPool(atOnce);
    this.#dispatcher = new ChunkDispatcher(plan, {
      ends,
      outlet: this.#outlet,
      pool: this.#pool,
      store: this.#store,
      chooser: collaborators.chooser,
    });
    this.#writer = new ChunkWriter({
      ...collaborators,
      sink: ends.sink,
      outlet: this.#outlet,
      pool: this.#pool,
      store: this.#store,
      atOnce,
    });
  }

  #openPool(atOnce: number): OrderedPool {
    const { coding, work, memory } = this.#plan;
    const { grammar, source } = this.#ends;
    const file = grammar === undefined ? source.file! : undefined;
    return new OrderedPool({
      entry: COMPRESS_ENTRY,
      threads: coding.threads,
      given: this.#with.takeThreads?.(),
      inline: work.inline ? (startUp) => new Compressor(startUp, undefined, storeAhead(startUp)) : undefined,
      onFewer: this.#with.onFewer,
      geometry: memory.slots,
      atOnce,
      ...(file === undefined || file.alignment === 1 ? {} : { place: (arena) => directBase(file, arena) }),
      startUp: {
        maxChunk: coding.chunkSize,
        fd: file?.fd ?? -1,
        alignment: file?.alignment ?? 1,
        zstdBinding: work.zstdBinding,
        longDistance: work.longDistance,
        hostThreads: work.hostThreads,
        nice: work.nice,
        store: this.#store?.startUp,
      },
    });
  }

  /** Bytes that the receiver has from an earlier transfer. */
  get #before(): number {
    return this.#plan.stream.before?.bytes ?? 0;
  }

  /** The sums of everything that was sent. */
  get sums(): StreamSums {
    return this.#outlet.sums();
  }

  /** The worker threads, for tests that kill one. */
  get threads(): OrderedPool['threads'] {
    return this.#pool.threads;
  }

  /** Ends the transfer: run() rejects with this error. */
  abort(error: RamferryError): void {
    this.#with.deliveryWindow?.fail(error);
    this.#pool.fail(error);
    void this.#ends.source.close();
    void this.#ends.sink.abort();
  }

  /**
   * Whether a reader that has this many decoded bytes of the stream may have its final part, and so run the guest. Where the format
   * does not show where that part begins, the last byte received so far counts as the final part.
   */
  reachesFinal(bytes: number): boolean {
    const { grammar, source } = this.#ends;
    const received = grammar === undefined ? source.file!.size - this.#before : (this.#feeder?.received ?? 0);
    return bytes > (grammar?.finalFrom ?? Math.max(0, received - 1));
  }

  /** The pages so far. In a RAM image each page has its place. */
  get tally(): PageTally {
    const anonymous = 0;
    return this.#feeder?.tally ?? { identified: Math.floor(this.#extentBytes / PAGE_BYTES), anonymous };
  }

  /** A byte of the final part, or of the container's tail, may have reached the receiver. */
  get finalMayHaveLeft(): boolean {
    return this.#writer.closing || this.reachesFinal(this.#writer.handed);
  }

  /** The receiver may have the whole stream, and so may report success. */
  get allMayHaveLeft(): boolean {
    const { grammar } = this.#ends;
    // No container tail follows the END of a bare libxc stream: its last chunk is the last write.
    const ended = grammar?.state === 'done' && this.#writer.handed >= (this.#feeder?.offset ?? Infinity);
    return this.#writer.closing || ended;
  }

  /** The input broke off, so undelivered bytes are useless. Aborts at once: the destination may wait and take no more bytes. */
  #giveUp(incomplete: RamferryError): void {
    this.#incomplete = incomplete;
    this.abort(incomplete);
  }

  /** Sends the whole stream, END included. */
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
        // Checked before the end is sent: without the end no receiver accepts the stream as complete.
        this.#ends.source.unchanged?.();
        return this.#complete;
      });
      await feeding;
    } catch (thrown) {
      const error = toRamferryError(thrown);
      this.#with.onFailure?.(error);
      // The feeder may wait for a slot, for the page store or for a read. These calls end all three.
      this.#pool.fail(error);
      this.#store?.fail(error);
      await this.#ends.source.close();
      await feeding;
      throw this.#incomplete ?? thrown;
    } finally {
      this.#with.statistics.recordBusy(this.#pool.busy);
      if (this.#store !== undefined) this.#with.statistics.recordStore(this.#store.counts);
      await this.#pool.close();
    }
  }

  async #feed(): Promise<void> {
    const { source, head = NO_BYTES, grammar } = this.#ends;
    const { chunkSize } = this.#plan.coding;
    if (grammar === undefined) {
      await feedExtents(source.file!, this.#pool, chunkSize, this.#dispatcher, this.#before);
      this.#extentBytes = source.file!.size - this.#before;
      this.#with.onInputEnd?.(source.file!.size);
      this.#complete = true;
      return;
    }
    const feeder = (this.#feeder = new StreamFeeder({
      source,
      head,
      grammar,
      pool: this.#pool,
      chunkSize,
      regions: this.#outlet.regions,
      identities: this.#store !== undefined,
      flushAfter: this.#plan.pace.flushAfter,
      taker: this.#dispatcher,
      rounds: this.#with.rounds,
      switchover: this.#with.switchover,
    }));
    await feeder.run().catch((thrown: unknown) => {
      if (thrown !== feeder.inputFailure) throw thrown;
      throw this.#with.onInputFailure?.(thrown, feeder.offset) ?? thrown;
    });
    this.#with.onInputEnd?.(feeder.offset);
    this.#complete = grammar.state === 'done';
  }
}
