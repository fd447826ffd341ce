// The sending pipeline: feeder → workers → writer, over a source and a sink that are open already.
// Promises the whole stream in the sink or the first error in stream order; leaves opening, closing and the final name
// to its caller.

import type { Outlet } from '../../container/outlet.js';
import type { StreamSums } from '../../container/sums.js';
import { RamferryError, toRamferryError } from '../../errors.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSink, ByteSource, PositionedInput } from '../../io/bytes.js';
import { directPlaces } from '../../io/file/direct.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import type { FewerThreads, GivenThreads } from '../../pool/worker-pool.js';
import type { DeliveryWindow } from '../pace/delivery-window.js';
import type { TransferPlan } from '../plan/transfer-plan.js';
import { ChunkWriter, type ChunkWriterSettings } from './chunk-writer.js';
import { ChunkDispatcher } from './dispatcher.js';
import { openOutlet } from './open-outlet.js';
import { COMPRESS_ENTRY } from '../../os/entries.js';
import { feedExtents } from './extent-feeder.js';
import { StreamFeeder } from './feeder.js';
import type { RoundCounter } from '../statistics/rounds.js';
import type { Statistics } from '../statistics/statistics.js';
import type { StoreMemory } from '../../store/shared.js';
import { SendingStore } from './sending-store.js';

/** The two ends of a transfer, open. */
export interface SenderEnds {
  readonly source: ByteSource;
  /** Bytes of the source that were read already; none by default. */
  readonly head?: Uint8Array | undefined;
  /** Walks the stream, as the plan says; undefined where the workers read extents of a regular file. */
  readonly grammar: Grammar | undefined;
  readonly sink: ByteSink;
  /** Instead of the outlet that the plan's container has. */
  readonly outlet?: Outlet | undefined;
}

/** Who works with a sender, and whom it tells what happens. */
export interface SenderCollaborators {
  readonly statistics: Statistics;
  /** Chooses codec and level of each chunk (adaptive mode). */
  readonly chooser?: ChunkWriterSettings['chooser'];
  readonly deliveryWindow?: DeliveryWindow | undefined;
  /** Counts the rounds of pre-copy by the pages of the stream. */
  readonly rounds?: RoundCounter | undefined;
  /** Hands over pre-started threads; the caller must close them. Undefined if none are running. */
  readonly takeThreads?: (() => GivenThreads | undefined) | undefined;
  /** Memory for the page store that is there already. */
  readonly storeMemory?: StoreMemory | undefined;
  /** Called once, when the host gives fewer threads than were asked for. */
  readonly onFewer?: FewerThreads | undefined;
  /** Called when the input is over, with its length and before the stream's own end is written; what it throws ends the transfer. */
  readonly onInputEnd?: ((bytes: number) => void) | undefined;
  /** Called with what reading the input failed with, after so many bytes; returns what the transfer fails with. */
  readonly onInputFailure?: ((thrown: unknown, bytes: number) => RamferryError) | undefined;
  /** Called when the sink has taken the last byte, before the threads are ended. */
  readonly onWritten?: (() => void) | undefined;
  /** Called first of all when something fails, before anything is closed. */
  readonly onFailure?: ((error: RamferryError) => void) | undefined;
}

const NOTHING = new Uint8Array(0);

/** Where slots must begin for direct reads; all their input areas are then at multiples of a page from there. */
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
  readonly #pool: OrderedPool;
  readonly #writer: ChunkWriter;
  readonly #store: SendingStore | undefined;
  readonly #dispatcher: ChunkDispatcher;
  /** The input ended where its format says that it ends. */
  #complete = false;
  /** The input broke off. */
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

  /** The sums of everything that has left. */
  get sums(): StreamSums {
    return this.#outlet.sums();
  }

  /** For tests that kill a worker. */
  get threads(): OrderedPool['threads'] {
    return this.#pool.threads;
  }

  /** Ends the transfer from outside: run() rejects with this error. */
  abort(error: RamferryError): void {
    this.#with.deliveryWindow?.fail(error);
    this.#pool.fail(error);
    void this.#ends.source.close();
    void this.#ends.sink.abort();
  }

  /**
   * Whether a reader that has this many decoded bytes of the stream may have its final part, and so run the guest. Where the format
   * does not tell where that part begins, all bytes that have come so far may be all.
   */
  reachesFinal(bytes: number): boolean {
    const { grammar, source } = this.#ends;
    const received = grammar === undefined ? source.file!.size : (this.#feeder?.received ?? 0);
    return bytes > (grammar?.finalFrom ?? Math.max(0, received - 1));
  }

  /** A byte of the final part, or of what closes the stream, may have reached the other side. */
  get finalMayHaveLeft(): boolean {
    return this.#writer.closing || this.reachesFinal(this.#writer.handed);
  }

  /** The other side may have the whole stream: from now on it may say so. */
  get allMayHaveLeft(): boolean {
    const { grammar } = this.#ends;
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
        this.#ends.source.unchanged?.();
        return this.#complete;
      });
      await feeding;
    } catch (thrown) {
      const error = toRamferryError(thrown);
      this.#with.onFailure?.(error);
      // The feeder may wait for a slot or sit in a read: both end now.
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
    const { source, head = NOTHING, grammar } = this.#ends;
    const { chunkSize } = this.#plan.coding;
    if (grammar === undefined) {
      await feedExtents(source.file!, this.#pool, chunkSize, this.#dispatcher);
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
    }));
    await feeder.run().catch((thrown: unknown) => {
      if (thrown !== feeder.inputFailure) throw thrown;
      throw this.#with.onInputFailure?.(thrown, feeder.offset) ?? thrown;
    });
    this.#with.onInputEnd?.(feeder.offset);
    this.#complete = grammar.state === 'done';
  }
}
