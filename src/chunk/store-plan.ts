// Represents a page by what the page store holds: as unchanged, as equal to another page, or as a difference.
// Takes for each page of a chunk the slots that the ledger suggests, compares bytes, and notes what the chunk puts into the
// store. Decisions depend on bytes alone: a wrong suggestion only costs the comparison.

import { Buffer } from 'node:buffer';

import { copyBytes } from '../page/copy.js';
import { estimateLiteral } from '../page/estimate.js';
import { looksRewritten } from '../page/rewritten.js';
import { PAGE_BYTES } from '../page/size.js';
import { type AlignedPage, encodeDelta, PAGE_WORDS } from '../page/xbzrle.js';
import { OP } from './operations.js';
import { type PageStore, StoreWrites } from './page-store.js';

/** Numbers for each page in a chunk's table. */
export const SUGGESTIONS = 2;
/** Stands for a slot: none. */
export const NO_SLOT = -1;

const KNOWN = 1;
const SAMPLED = 2;
const FLAG_BITS = 2;

/**
 * The table's number for a page that has a slot.
 * @param known the slot holds the page's earlier contents; otherwise the chunk writes it for the first time
 * @param sampled the worker reports what the slot saved
 */
export function ownSlot(slot: number, known: boolean, sampled = false): number {
  return (slot << FLAG_BITS) + (known ? KNOWN : 0) + (sampled ? SAMPLED : 0);
}

/** What one chunk needs of the page store, on the sending side. */
export interface StorePlan {
  readonly store: PageStore;
  readonly sequence: number;
  /** So many chunks from the start of the stream are complete. */
  readonly needs: number;
  /** For each page in order: ownSlot() or NO_SLOT, then the slot of a page that may be equal, or NO_SLOT. */
  readonly table: Int32Array;
  /** Leave the store as it is: the self-check will carry the chunk's operations out. */
  readonly dry: boolean;
}

/** The outcome of the suggestions for one chunk. */
export interface StoreTally {
  /** Pages whose earlier contents the store held. */
  compared: number;
  /** Of those: pages for which a delta was too long. */
  overflow: number;
  /** Bytes of all deltas. */
  deltaBytes: number;
  /** Pages equal to another in the store. */
  equalPages: number;
  /** Pages of the sample that were compared; the gain from them, and its cost (see COST). */
  sampled: number;
  gain: number;
  cost: number;
}

/** No suggestions, nothing gained. */
export const NO_TALLY: StoreTally = {
  compared: 0,
  overflow: 0,
  deltaBytes: 0,
  equalPages: 0,
  sampled: 0,
  gain: 0,
  cost: 0,
};

/**
 * The unit of gain and cost is a byte that a codec need not see: 1 ns of a thread at zstd 1. This is the worth of a byte that need
 * not travel: while a link of 1 Gbit/s carries it (8 ns), the codecs of two threads see so many bytes.
 */
const LINK_BYTE_WEIGHT = 16;

/**
 * Cost of a look at a page's earlier contents, at both ends, beyond the cost of the page itself: where it is unchanged (same);
 * where it was written all over, and is kept (rewritten); where its difference is made, and it is kept (difference). Measured at
 * the sender in one thread: 310, 510 and 1700 ns (2 vCPU, pages of a database guest). To keep a page is one copy at each end,
 * 350 ns each. The rest allows for applying the difference.
 */
const COST = { same: 300, rewritten: 1300, difference: 2900 } as const;

/** The gain of a page that takes `bytes` bytes and might have taken `literal`. */
function gainOf(literal: number, bytes: number): number {
  return PAGE_BYTES - bytes + LINK_BYTE_WEIGHT * Math.max(0, literal - bytes);
}

/** A longer delta saves nothing, whatever the page. */
const MAX_DELTA_BYTES = PAGE_BYTES - 96;

function alignedPage(): AlignedPage {
  const words = new Int32Array(PAGE_WORDS);
  return { words, bytes: Buffer.from(words.buffer) };
}

export class StorePlanner {
  readonly writes: StoreWrites;
  readonly tally: StoreTally = { ...NO_TALLY };
  /** Of the current page: the slot that its representation names, or that it goes to as a literal. */
  slot = NO_SLOT;
  /** The delta of the current page. */
  readonly delta = Buffer.allocUnsafeSlow(PAGE_BYTES);
  deltaLength = 0;
  /** A copy of the current page. */
  readonly #page = alignedPage();
  #plan!: StorePlan;
  #coded = true;

  constructor(maxPages: number) {
    this.writes = new StoreWrites(maxPages);
  }

  /** @param coded a codec gets the literals, which then cost less than their bytes */
  begin(plan: StorePlan, coded: boolean): void {
    this.#plan = plan;
    this.#coded = coded;
    this.writes.length = 0;
    const { tally } = this;
    tally.compared =
      tally.overflow =
      tally.deltaBytes =
      tally.equalPages =
      tally.sampled =
      tally.gain =
      tally.cost =
        0;
  }

  /**
   * The representation of the page at front[at, …): same, stored, delta or literal. Sets `slot` for all but a literal that
   * is not kept.
   * @param view over the same memory as `front`
   * @param index of the page in its chunk
   */
  choose(front: Buffer, view: DataView, at: number, index: number): number {
    const { store, needs, table } = this.#plan;
    const own = table[index * SUGGESTIONS]!;
    this.slot = NO_SLOT;
    if (own >= 0) {
      const slot = own >>> FLAG_BITS;
      this.slot = slot;
      if ((own & KNOWN) !== 0 && store.holds(slot, needs)) {
        return this.#compare(front, view, at, slot, (own & SAMPLED) !== 0);
      }
      this.writes.add(slot, at);
      return OP.literal;
    }
    const equal = table[index * SUGGESTIONS + 1]!;
    if (equal >= 0 && store.holds(equal, needs) && this.#equal(front, at, equal)) {
      this.slot = equal;
      this.tally.equalPages++;
      return OP.stored;
    }
    return OP.literal;
  }

  #compare(front: Buffer, view: DataView, at: number, slot: number, sampled: boolean): number {
    const { words } = this.#plan.store;
    const { tally } = this;
    tally.compared++;
    if (sampled) tally.sampled++;
    if (this.#equal(front, at, slot)) {
      // Only the sample needs an estimate of the page's length as a literal.
      if (sampled) this.#weigh(this.#literal(words, slot * PAGE_WORDS), 0, COST.same);
      return OP.same;
    }
    this.writes.add(slot, at);
    if (this.#coded && looksRewritten(words, slot * PAGE_WORDS, view, at)) {
      tally.overflow++;
      if (sampled) tally.cost += COST.rewritten;
      return OP.literal;
    }
    copyBytes(this.#page.bytes, 0, front, at, at + PAGE_BYTES);
    const literal = this.#literal(this.#page.words, 0);
    const limit = Math.min(literal, MAX_DELTA_BYTES);
    const length = encodeDelta(words, slot * PAGE_WORDS, this.#page, this.delta, limit);
    if (length < 0) {
      tally.overflow++;
      if (sampled) tally.cost += COST.difference;
      return OP.literal;
    }
    this.deltaLength = length;
    tally.deltaBytes += length;
    if (sampled) this.#weigh(literal, length, COST.difference);
    return OP.delta;
  }

  #weigh(literal: number, bytes: number, cost: number): void {
    this.tally.gain += gainOf(literal, bytes);
    this.tally.cost += cost;
  }

  #equal(front: Buffer, at: number, slot: number): boolean {
    const from = slot * PAGE_BYTES;
    return front.compare(this.#plan.store.bytes, from, from + PAGE_BYTES, at, at + PAGE_BYTES) === 0;
  }

  /** The bytes that the page may take as a literal. */
  #literal(words: Int32Array, first: number): number {
    return this.#coded ? estimateLiteral(words, first) : PAGE_BYTES;
  }
}
