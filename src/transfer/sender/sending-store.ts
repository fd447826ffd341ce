// The page store of a transfer at its sender: the shared memory that the workers read and write, and the bookkeeping on
// the main thread. Chunks are entered in stream order and come back in stream order; what they tell counts later.

import { NO_TALLY } from '../../chunk/store-plan.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { EncodeJob } from '../../slot/encode-job.js';
import type { SlotViews } from '../../slot/layout.js';
import { Turns } from '../../slot/turns.js';
import { Ledger } from '../../store/ledger.js';
import { allocateStore, type SharedStore, type StoreMemory } from '../../store/shared.js';
import type { StoreCounts } from '../statistics/counts.js';

export class SendingStore {
  /** What the workers are told. */
  readonly startUp: SharedStore;
  readonly #turns: Turns;
  readonly #ledger: Ledger;
  #deltaBytes = 0;
  #overflow = 0;
  #wake: (() => void) | undefined;
  #failure: Error | undefined;

  private constructor(
    readonly bytes: number,
    shared: SharedStore,
  ) {
    this.startUp = shared;
    this.#turns = new Turns(shared.turns);
    this.#ledger = new Ledger(bytes / PAGE_BYTES);
  }

  /** @param bytes of pages; 0 = no store. @param underWay most chunks that are under way at once. @param ready memory for it */
  static open(bytes: number, underWay: number, ready?: StoreMemory): SendingStore | undefined {
    const shared = allocateStore(bytes, underWay, ready);
    return shared === undefined ? undefined : new SendingStore(bytes, shared);
  }

  /** Sets what the worker needs to know of the store. Its sequence number and its segments are set already. */
  async enter(slot: SlotViews, identities: Float64Array): Promise<void> {
    const { encode, front, segments, suggestions } = slot;
    const { sequence, segmentCount } = encode;
    while (!this.#ledger.ready(sequence)) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const chunk = { sequence, front, segments, segmentCount, identities, suggestions };
    const { needs, suggested } = this.#ledger.enter(chunk);
    encode.needs = needs;
    encode.suggested = suggested;
  }

  /** A chunk that goes without the store and without a worker. */
  skip(sequence: number): void {
    this.#ledger.skip();
    this.#turns.end(sequence);
  }

  /** A chunk that is done, in stream order. */
  departed(job: EncodeJob): void {
    if (job.suggested) {
      const { tally } = job;
      this.#deltaBytes += tally.deltaBytes;
      this.#overflow += tally.overflow;
      this.#ledger.report(tally);
    } else {
      this.#ledger.report(NO_TALLY);
    }
    this.#wake?.();
  }

  /** No further chunk will be done: whoever waits for one is told. */
  fail(error: Error): void {
    this.#failure = error;
    this.#wake?.();
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
