// First step of an encoding: which page is how represented, and what is left for the codec.
// Takes the bytes of a chunk and its segment table; leaves the operations and, right behind them, the content in
// one piece of memory. Depends on the bytes alone. It knows no codec and no container.

import { Buffer } from 'node:buffer';

import { copyBytes } from '../page/copy.js';
import { DuplicateFinder } from '../page/duplicates.js';
import { isZeroPage, PAGE_BYTES } from '../page/zero.js';
import { OP, OperationWriter } from './operations.js';
import { SEGMENT } from './segments.js';
import { type WordState, writeWords } from './words.js';

/** Room for operations in front of the content. A chunk that needs more is planned as plain bytes. */
export const OPERATIONS_CAPACITY = 65_536;

export interface Plan {
  /** Operations and content, adjoining. */
  body: Buffer;
  operationsLength: number;
  zero: number;
  literal: number;
  duplicate: number;
}

/** The memory of a chunk before encoding: `front` holds OPERATIONS_CAPACITY bytes of headroom, then the input. */
export interface PlanInput {
  readonly front: Buffer;
  readonly length: number;
  readonly segments: Int32Array;
  readonly segmentCount: number;
}

/** Plans chunks one after the other; owns the scratch memory into which scattered content is gathered. */
export class Planner {
  readonly #operations = new OperationWriter(new Uint8Array(OPERATIONS_CAPACITY));
  readonly #finder: DuplicateFinder;
  readonly #scratch: Buffer;
  readonly #words: WordState = { high: 0, low: 0 };

  // What the walk is in the middle of: a stretch of content, and an operation that may still grow.
  #front!: Buffer;
  #view!: DataView;
  /** Start of the stretch of input that becomes content as it is, -1 when there is none. */
  #stretch = -1;
  #gathered = 0;
  #kind = 0;
  #count = 0;
  #distance = 0;
  #page = 0;
  readonly #plan: Plan;

  /** @param chunkSize the most bytes a chunk can have */
  constructor(chunkSize: number) {
    this.#finder = new DuplicateFinder(Math.ceil(chunkSize / PAGE_BYTES));
    this.#scratch = Buffer.allocUnsafeSlow(OPERATIONS_CAPACITY + chunkSize);
    this.#plan = { body: this.#scratch, operationsLength: 0, zero: 0, literal: 0, duplicate: 0 };
  }

  /** The result is valid until the next call, and as long as the input is not overwritten. */
  plan(input: PlanInput): Plan {
    const plan = this.#plan;
    plan.zero = plan.literal = plan.duplicate = 0;
    this.#front = input.front;
    this.#view = new DataView(input.front.buffer, input.front.byteOffset, input.front.byteLength);
    this.#operations.reset();
    this.#finder.begin();
    this.#words.high = this.#words.low = 0;
    this.#stretch = -1;
    this.#gathered = 0;
    this.#kind = 0;
    this.#count = 0;
    this.#page = 0;

    const end = OPERATIONS_CAPACITY + input.length;
    let at = OPERATIONS_CAPACITY;
    for (let index = 0; index < input.segmentCount && !this.#operations.overflow; index++) {
      at = this.#segment(input.segments[index * 2]!, input.segments[index * 2 + 1]!, at);
    }
    this.#flushOperation();
    if (at !== end && !this.#operations.overflow) {
      throw new Error(`segments cover ${at - OPERATIONS_CAPACITY} of ${input.length} bytes`);
    }
    const content = this.#gathered + (this.#stretch < 0 ? 0 : end - this.#stretch);
    // A body is never longer than the chunk and one operation. Checked before anything is moved: putting the
    // operations into place may overwrite input that has become superfluous.
    if (this.#operations.overflow || content + this.#operations.length > input.length + MAX_PLAIN_OPERATION) {
      return this.#plain(input.length);
    }
    this.#assemble(end);
    return plan;
  }

  /** The chunk as one stretch of bytes: for what no worker has time for, and for what has too many segments. */
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
        this.#keep(at);
        return at + count;
      }
      default: {
        this.#flushOperation();
        this.#drop(at);
        writeWords(this.#operations, this.#words, this.#view, at, count, kind === SEGMENT.wordsBE);
        return at + count * 8;
      }
    }
  }

  #pageAt(at: number): void {
    const plan = this.#plan;
    const index = this.#page++;
    if (isZeroPage(this.#front, this.#view, at)) {
      this.#operation(OP.zero, 1);
      this.#drop(at);
      plan.zero++;
      return;
    }
    const earlier = this.#finder.find(this.#front, this.#view, index, at);
    if (earlier >= 0) {
      this.#operation(OP.duplicate, 1, index - earlier);
      this.#drop(at);
      plan.duplicate++;
      return;
    }
    this.#operation(OP.literal, 1);
    this.#keep(at);
    plan.literal++;
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
    }
    this.#kind = 0;
    this.#distance = 0;
  }

  /** Input from `at` on is content. */
  #keep(at: number): void {
    if (this.#stretch < 0) this.#stretch = at;
  }

  /** Input from `at` on is not content: what came before it is copied to the rest. */
  #drop(at: number): void {
    if (this.#stretch >= 0) {
      copyBytes(this.#scratch, OPERATIONS_CAPACITY + this.#gathered, this.#front, this.#stretch, at);
      this.#gathered += at - this.#stretch;
      this.#stretch = -1;
    }
  }

  #assemble(end: number): void {
    const operations = this.#operations.bytes;
    let memory = this.#scratch;
    let start = OPERATIONS_CAPACITY;
    let length: number;
    if (this.#gathered === 0 && this.#stretch >= 0) {
      // All content is one stretch and stays where it is: no copy, the operations go in front of it.
      memory = this.#front;
      start = this.#stretch;
      length = end - this.#stretch;
    } else {
      this.#drop(end);
      length = this.#gathered;
    }
    memory.set(operations, start - operations.length);
    this.#plan.body = memory.subarray(start - operations.length, start + length);
    this.#plan.operationsLength = operations.length;
  }

  #plain(length: number): Plan {
    const plan = this.#plan;
    plan.zero = plan.literal = plan.duplicate = 0;
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

/** A body is at most this much longer than the decoded chunk: one operation with its count. */
export const MAX_PLAIN_OPERATION = 6;
