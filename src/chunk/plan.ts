// First step of an encoding: chooses how each page is represented, and what is left for the codec.
// Takes the bytes of a chunk and its segment table. Leaves the operations and, right behind them, the content in one piece of
// memory. The result depends on the bytes alone. It knows no codec and no container.

import { Buffer } from 'node:buffer';

import { DuplicateFinder } from '../page/duplicates.js';
import { PAGE_BYTES } from '../page/size.js';
import { isZeroPage } from '../page/zero.js';
import { Content } from './content.js';
import { OP, OperationWriter, SlotNumbers } from './operations.js';
import { SEGMENT } from './segments.js';
import { type StorePlan, StorePlanner, type StoreTally } from './store-plan.js';
import { WordWriter } from './words.js';

/** Room for operations in front of the content. A chunk that needs more is planned as plain bytes. */
export const OPERATIONS_CAPACITY = 65_536;

export interface Plan {
  /** Operations and content, adjoining. */
  body: Buffer;
  operationsLength: number;
  zero: number;
  literal: number;
  duplicate: number;
  same: number;
  delta: number;
  /** What the page store saved; undefined where the chunk does not use it. */
  store: StoreTally | undefined;
}

/** The memory of a chunk before encoding: `front` holds OPERATIONS_CAPACITY bytes of headroom, then the input. */
export interface PlanInput {
  readonly front: Buffer;
  readonly length: number;
  readonly segments: Int32Array;
  readonly segmentCount: number;
}

/** Plans chunks one after the other. */
export class Planner {
  readonly #operations = new OperationWriter(new Uint8Array(OPERATIONS_CAPACITY));
  readonly #finder: DuplicateFinder;
  readonly #content: Content;
  readonly #words = new WordWriter(this.#operations);

  // State of the walk: the chunk's memory, and an operation that may still grow.
  #front!: Buffer;
  #view!: DataView;
  #kind = 0;
  #count = 0;
  #distance = 0;
  /** The first slot of an operation that names slots. */
  #slot = 0;
  #page = 0;
  /** Literal pages at the end of the walk so far that go to consecutive slots. */
  #kept = 0;
  #keptFrom = 0;
  /** Set while the planned chunk uses the page store. */
  #store: StorePlanner | undefined;
  #storePlanner: StorePlanner | undefined;
  readonly #numbers = new SlotNumbers();
  readonly #maxPages: number;
  readonly #plan: Plan;

  /** @param chunkSize the most bytes a chunk can have */
  constructor(chunkSize: number) {
    this.#maxPages = Math.ceil(chunkSize / PAGE_BYTES);
    this.#finder = new DuplicateFinder(this.#maxPages);
    this.#content = new Content(OPERATIONS_CAPACITY, chunkSize);
    this.#plan = {
      body: Buffer.alloc(0),
      operationsLength: 0,
      zero: 0,
      literal: 0,
      duplicate: 0,
      same: 0,
      delta: 0,
      store: undefined,
    };
  }

  /**
   * The result is valid until the next call, and as long as the input is not overwritten.
   * @param from the page store, for a chunk that uses it; unless it is dry, it holds the chunk's pages afterwards
   * @param coded a codec gets the body
   */
  plan(input: PlanInput, from?: StorePlan, coded = true): Plan {
    const plan = this.#plan;
    plan.zero = plan.literal = plan.duplicate = plan.same = plan.delta = 0;
    this.#begin(from, coded);
    this.#front = input.front;
    this.#view = new DataView(input.front.buffer, input.front.byteOffset, input.front.byteLength);
    this.#content.begin(input.front);
    this.#operations.reset();
    this.#finder.begin();
    this.#words.begin();
    this.#kind = 0;
    this.#count = 0;
    this.#page = 0;

    const end = OPERATIONS_CAPACITY + input.length;
    let at = OPERATIONS_CAPACITY;
    for (let index = 0; index < input.segmentCount && !this.#operations.overflow; index++) {
      at = this.#segment(input.segments[index * 2]!, input.segments[index * 2 + 1]!, at);
    }
    this.#flushKept();
    this.#flushOperation();
    if (at !== end && !this.#operations.overflow) {
      throw new Error(`segments cover ${at - OPERATIONS_CAPACITY} of ${input.length} bytes`);
    }
    // A body is never longer than the chunk and one operation. Checked before anything is moved, because the operations
    // may overwrite input that has become superfluous.
    const most = input.length + plainExcess(from !== undefined);
    if (this.#operations.overflow || this.#content.length(end) + this.#operations.length > most) {
      return this.#plain(input.length);
    }
    if (from?.dry === false) this.#store!.writes.carryOut(from.store, input.front, from.sequence);
    plan.body = this.#content.behind(this.#operations.bytes, end);
    plan.operationsLength = this.#operations.length;
    return plan;
  }

  #begin(from: StorePlan | undefined, coded: boolean): void {
    this.#store = undefined;
    this.#plan.store = undefined;
    if (from === undefined) return;
    this.#store = this.#storePlanner ??= new StorePlanner(this.#maxPages);
    this.#store.begin(from, coded);
    this.#plan.store = this.#store.tally;
    this.#numbers.reset();
    this.#kept = 0;
  }

  /** The chunk as one stretch of bytes: where no worker is free, or where a chunk has too many operations. */
  store(input: PlanInput): Plan {
    this.#front = input.front;
    return this.#plain(input.length);
  }

  #segment(kind: number, count: number, at: number): number {
    switch (kind) {
      case SEGMENT.pages: {
        for (let index = 0; index < count; index++) this.#pageAt(at + index * PAGE_BYTES);
        return at + count * PAGE_BYTES;
      }
      case SEGMENT.skeleton: {
        this.#operation(OP.bytes, count);
        this.#content.keep(at);
        return at + count;
      }
      default: {
        this.#flushOperation();
        this.#content.drop(at);
        this.#words.write(this.#view, at, count, kind === SEGMENT.wordsBE);
        return at + count * 8;
      }
    }
  }

  #pageAt(at: number): void {
    const plan = this.#plan;
    const index = this.#page++;
    if (isZeroPage(this.#front, this.#view, at)) {
      this.#operation(OP.zero, 1);
      this.#content.drop(at);
      plan.zero++;
      return;
    }
    const earlier = this.#finder.find(this.#front, this.#view, index, at);
    if (earlier >= 0) {
      this.#operation(OP.duplicate, 1, index - earlier);
      this.#content.drop(at);
      plan.duplicate++;
      return;
    }
    if (this.#store !== undefined && this.#fromStore(this.#store, at, index)) return;
    this.#operation(OP.literal, 1);
    this.#content.keep(at);
    plan.literal++;
  }

  /** @returns false for a page that travels whole, whether it is kept or not */
  #fromStore(store: StorePlanner, at: number, index: number): boolean {
    const kind = store.choose(this.#front, this.#view, at, index);
    const { slot } = store;
    switch (kind) {
      case OP.same:
      case OP.stored:
        if (kind !== this.#kind || slot !== this.#slot + this.#count) {
          this.#flushOperation();
          this.#kind = kind;
          this.#count = 0;
          this.#slot = slot;
        }
        this.#count++;
        this.#content.drop(at);
        this.#plan[kind === OP.same ? 'same' : 'duplicate']++;
        return true;
      case OP.delta:
        // Writes to the store keep the order of the pages.
        this.#flushKept();
        this.#flushOperation();
        this.#operations.begin(OP.delta, 1);
        this.#numbers.write(this.#operations, slot, 1);
        this.#operations.number(store.deltaLength);
        this.#content.drop(at);
        this.#content.gather(store.delta, store.deltaLength);
        this.#plan.delta++;
        return true;
      default:
        if (this.#kept > 0 && slot !== this.#keptFrom + this.#kept) this.#flushKept();
        if (slot < 0) return false;
        if (this.#kept === 0) this.#keptFrom = slot;
        this.#kept++;
        return false;
    }
  }

  #flushKept(): void {
    const count = this.#kept;
    if (this.#store === undefined || count === 0) return;
    this.#kept = 0;
    // The literal pages come before the operation that keeps them.
    this.#flushOperation();
    this.#operations.begin(OP.keep, count);
    this.#numbers.write(this.#operations, this.#keptFrom, count);
  }

  #operation(kind: number, count: number, distance = 0): void {
    if (kind === this.#kind && distance === this.#distance) {
      this.#count += count;
      return;
    }
    this.#flushOperation();
    this.#kind = kind;
    this.#count = count;
    this.#distance = distance;
  }

  #flushOperation(): void {
    if (this.#kind !== 0) {
      this.#operations.begin(this.#kind, this.#count);
      if (this.#kind === OP.duplicate) this.#operations.number(this.#distance);
      else if (this.#kind >= OP.same) this.#numbers.write(this.#operations, this.#slot, this.#count);
    }
    this.#kind = 0;
    this.#distance = 0;
  }

  #plain(length: number): Plan {
    const plan = this.#plan;
    plan.zero = plan.literal = plan.duplicate = plan.same = plan.delta = 0;
    plan.store = undefined;
    this.#operations.reset();
    if (length > 0) this.#operations.begin(OP.bytes, length);
    const operations = this.#operations.bytes;
    const start = OPERATIONS_CAPACITY - operations.length;
    this.#front.set(operations, start);
    plan.body = this.#front.subarray(start, OPERATIONS_CAPACITY + length);
    plan.operationsLength = operations.length;
    return plan;
  }
}

/**
 * Most bytes by which a body exceeds the decoded chunk: one operation with its count; with a page store also the operations
 * that keep pages.
 */
export function plainExcess(store: boolean): number {
  return store ? MAX_PLAIN_EXCESS : 6;
}

export const MAX_PLAIN_EXCESS = 4096;
