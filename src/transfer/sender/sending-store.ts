// `SendingStore`: the page store of a sender: shared memory for the workers, and the ledger on the main thread. Chunks enter in stream
// order and depart in stream order. The ledger applies their results to later chunks.

import { NO_TALLY } from '../../chunk/store-plan.js';
import { PAGE_BYTES } from '../../page/size.js';
import { Signal } from '../../os/signal.js';
import type { EncodeJob } from '../../slot/encode-job.js';
import type { SlotViews } from '../../slot/layout.js';
import { Turns } from '../../slot/turns.js';
import { Ledger } from '../../store/ledger.js';
import type { PageRuns } from '../../store/page-runs.js';
import { allocateStore, type SharedStore, type StoreMemory } from '../../store/shared.js';
import type { StoreCounts } from '../statistics/counts.js';

export class SendingStore {
  /** The shared memory, which each worker gets when it starts. */
  readonly startUp: SharedStore;
  readonly #turns: Turns;
  readonly #ledger: Ledger;
  #deltaBytes = 0;
  #overflow = 0;
  readonly #changed = new Signal();
  #failure: Error | undefined;

  private constructor(
    readonly bytes: number,
    shared: SharedStore,
  ) {
    this.startUp = shared;
    this.#turns = new Turns(shared.turns);
    this.#ledger = new Ledger(bytes / PAGE_BYTES);
  }

  /**
   * @param bytes of the store's pages; 0 = no store
   * @param maxChunks most chunks between `enter` and `departed` at one time
   * @param ready gives memory that was allocated beforehand
   */
  static open(bytes: number, maxChunks: number, ready?: StoreMemory): SendingStore | undefined {
    const shared = allocateStore(bytes, maxChunks, ready);
    return shared === undefined ? undefined : new SendingStore(bytes, shared);
  }

  /**
   * Sets the job's fields for the store. The sequence number and the segments must be set already. Waits until the ledger has the
   * results of enough earlier chunks.
   * @throws the error that `fail` was called with
   */
  async enter(slot: SlotViews, runs: PageRuns): Promise<void> {
    const { encode, front, segments, suggestions } = slot;
    const { sequence, segmentCount } = encode;
    while (!this.#ledger.ready(sequence)) {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#changed.wait();
    }
    const chunk = { sequence, front, segments, segmentCount, runs, suggestions };
    const { needs, suggested } = this.#ledger.enter(chunk);
    encode.needs = needs;
    encode.suggested = suggested;
  }

  /** Skips the turn of a chunk that the main thread stores: it does not use the page store. */
  skip(sequence: number): void {
    this.#ledger.skip();
    this.#turns.end(sequence);
  }

  /** Takes the results of the next chunk in stream order. */
  departed(job: EncodeJob): void {
    if (job.suggested) {
      const { tally } = job;
      this.#deltaBytes += tally.deltaBytes;
      this.#overflow += tally.overflow;
      this.#ledger.report(tally);
    } else {
      this.#ledger.report(NO_TALLY);
    }
    this.#changed.notify();
  }

  /** The transfer has failed: a waiting `enter` rejects with `error`. */
  fail(error: Error): void {
    this.#failure = error;
    this.#changed.notify();
  }

  get counts(): StoreCounts {
    return {
      bytes: this.bytes,
      ...this.#ledger.counts,
      deltaBytes: this.#deltaBytes,
      overflow: this.#overflow,
    };
  }
}
