// How a page is represented by what the page store holds: unchanged, equal to another, or as a difference.
// Takes for each page of a chunk the slots that the sender's bookkeeping suggests, compares bytes, and notes what the
// chunk puts into the store. Depends on bytes alone: the suggestions may be wrong and only cost the comparison.

import { Buffer } from 'node:buffer';

import { copyBytes } from '../page/copy.js';
import { estimateLiteral } from '../page/estimate.js';
import { encodeDelta, PAGE_WORDS } from '../page/xbzrle.js';
import { PAGE_BYTES } from '../page/zero.js';
import { OP } from './operations.js';
import { type PageStore, StoreWrites } from './page-store.js';

/** Numbers that a chunk's table has for each of its pages. */
export const SUGGESTIONS = 2;
/** In the place of a slot: none. */
export const NO_SLOT = -1;

/** Where the page has its slot: whether that holds its earlier contents, or is to be written for the first time. */
export function ownSlot(slot: number, known: boolean): number {
  return slot * 2 + (known ? 1 : 0);
}

/** What one chunk needs of the page store, on the sending side. */
export interface StorePlan {
  readonly store: PageStore;
  readonly sequence: number;
  /** Chunks from the start of the stream that are complete. */
  readonly needs: number;
  /** For each page in order: ownSlot() or NO_SLOT, then a slot whose page may be equal or NO_SLOT. */
  readonly table: Int32Array;
  /** Leave the store as it is: somebody else will carry the chunk's operations out. */
  readonly dry: boolean;
}

/** What came of the suggestions for one chunk. */
export interface StoreTally {
  /** Pages whose earlier contents were there. */
  compared: number;
  /** Of those: pages for which a delta did not pay. */
  overflow: number;
  /** Bytes of all deltas. */
  deltaBytes: number;
  /** Pages equal to another in the store. */
  twins: number;
  /** What the pages that were compared might have come to as literals, in bytes. */
  literalBytes: number;
  /** How much less they came to. */
  saved: number;
}

/** A delta gains nothing beyond this, whatever the page. */
const MOST_DELTA_BYTES = PAGE_BYTES - 96;

export class StorePlanner {
  readonly writes: StoreWrites;
  readonly tally: StoreTally = {
    compared: 0,
    overflow: 0,
    deltaBytes: 0,
    twins: 0,
    literalBytes: 0,
    saved: 0,
  };
  /** Of the page at hand: the slot that its representation names, or that it goes to as a literal. */
  slot = NO_SLOT;
  /** Of the page at hand: its delta. */
  readonly delta = Buffer.allocUnsafeSlow(PAGE_BYTES);
  deltaLength = 0;
  /** The page at hand where its words are aligned. */
  readonly #words = new Int32Array(PAGE_WORDS);
  readonly #bytes = Buffer.from(this.#words.buffer);
  #plan!: StorePlan;
  #coded = true;

  constructor(maxPages: number) {
    this.writes = new StoreWrites(maxPages);
  }

  /** @param coded a codec will have what is left: literals then cost less than their bytes */
  begin(plan: StorePlan, coded: boolean): void {
    this.#plan = plan;
    this.#coded = coded;
    this.writes.length = 0;
    const { tally } = this;
    tally.compared = tally.overflow = tally.deltaBytes = tally.twins = tally.literalBytes = tally.saved = 0;
  }

  /**
   * The representation of the page at front[at, …): same, stored or delta, or literal; with `slot` set for all but a
   * literal that is not kept.
   * @param index of the page in its chunk
   */
  choose(front: Buffer, at: number, index: number): number {
    const { store, needs, table } = this.#plan;
    const own = table[index * SUGGESTIONS]!;
    const twin = table[index * SUGGESTIONS + 1]!;
    this.slot = NO_SLOT;
    if (own >= 0) {
      const slot = own >>> 1;
      this.slot = slot;
      if ((own & 1) === 1 && store.holds(slot, needs)) return this.#compare(front, at, slot);
      this.writes.add(slot, at);
    } else if (twin >= 0 && store.holds(twin, needs) && this.#equal(front, at, twin)) {
      this.slot = twin;
      this.tally.twins++;
      return OP.stored;
    }
    return OP.literal;
  }

  #compare(front: Buffer, at: number, slot: number): number {
    const { store } = this.#plan;
    const { tally } = this;
    tally.compared++;
    if (this.#equal(front, at, slot)) {
      const literal = this.#literal(store.words, slot * PAGE_WORDS);
      tally.literalBytes += literal;
      tally.saved += literal;
      return OP.same;
    }
    copyBytes(this.#bytes, 0, front, at, at + PAGE_BYTES);
    const literal = this.#literal(this.#words, 0);
    tally.literalBytes += literal;
    this.writes.add(slot, at);
    const limit = Math.min(literal, MOST_DELTA_BYTES);
    const { delta } = this;
    const length = encodeDelta(store.words, slot * PAGE_WORDS, this.#words, this.#bytes, delta, 0, limit);
    if (length < 0) {
      tally.overflow++;
      return OP.literal;
    }
    this.deltaLength = length;
    tally.deltaBytes += length;
    tally.saved += literal - length;
    return OP.delta;
  }

  #equal(front: Buffer, at: number, slot: number): boolean {
    const from = slot * PAGE_BYTES;
    return front.compare(this.#plan.store.bytes, from, from + PAGE_BYTES, at, at + PAGE_BYTES) === 0;
  }

  /** What the page may come to if it travels whole. */
  #literal(words: Int32Array, first: number): number {
    return this.#coded ? estimateLiteral(words, first) : PAGE_BYTES;
  }
}
