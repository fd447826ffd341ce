// Last step of a decoding: operations and content back to the bytes of the stream.
// Checks all that the operations say (lengths, distances, counts, slots) and throws ERR_STREAM_FORMAT; it never writes outside
// the output. It only reads the page store, and notes for its caller what the chunk puts into it.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import { copyBytes } from '../page/copy.js';
import { PAGE_BYTES } from '../page/size.js';
import { applyDelta } from '../page/xbzrle.js';
import { zeroBytes } from '../page/zero.js';
import { OP, OperationReader, SlotNumbers } from './operations.js';
import { type PageStore, StoreWrites } from './page-store.js';
import { readWords, type WordState } from './words.js';

export interface PageCounts {
  zero: number;
  literal: number;
  duplicate: number;
  same: number;
  delta: number;
}

/** The page store of the stream, for one chunk. */
export interface StoreView {
  readonly store: PageStore;
  /** Chunks from the start of the stream that are known to be complete. */
  readonly needs: number;
}

function wrong(what: string): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', `a chunk's operations ${what}`);
}

/** Expands chunks one after the other; owns the table of the offsets of their pages. */
export class Expander {
  readonly #maxPages: number;
  readonly #pageAt: Int32Array;
  /** Offsets of literal pages; used only in streams with a page store. */
  #literalAt = new Int32Array(0);
  #literals = 0;
  #writes = new StoreWrites(0);
  readonly #numbers = new SlotNumbers();
  readonly #words: WordState = { high: 0, low: 0 };

  // The current chunk, and its progress.
  #reader!: OperationReader;
  #content!: Buffer;
  #out!: Buffer;
  #view!: DataView;
  #from: StoreView | undefined;
  #counts!: PageCounts;
  /** Bytes of content used, bytes of output written, and pages among them. */
  #taken = 0;
  #at = 0;
  #page = 0;

  /** @param maxPages most pages that one chunk can hold */
  constructor(maxPages: number) {
    this.#maxPages = maxPages;
    this.#pageAt = new Int32Array(maxPages);
  }

  /** What the last expanded chunk puts into the store, by offsets in its bytes. */
  get writes(): StoreWrites {
    return this.#writes;
  }

  /**
   * @param out exactly the decoded length; need not be zeroed
   * @param from undefined for a stream without a page store
   * @returns pages by encoding, for comparison with the record's header
   */
  expand(operations: Uint8Array, content: Buffer, out: Buffer, from?: StoreView): PageCounts {
    const reader = new OperationReader(operations);
    this.#reader = reader;
    this.#content = content;
    this.#out = out;
    this.#view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    this.#from = from;
    this.#counts = { zero: 0, literal: 0, duplicate: 0, same: 0, delta: 0 };
    this.#words.high = this.#words.low = 0;
    this.#taken = this.#at = this.#page = 0;
    if (from !== undefined) this.#beginStore();
    while (reader.next()) this.#carryOut(reader.kind, reader.count);
    if (this.#at !== out.length) throw wrong('produce less than its decoded length');
    if (this.#taken !== content.length) throw wrong('leave content over');
    if (from !== undefined && this.#writes.length > this.#page) {
      throw wrong('put more pages into the store than there are');
    }
    return this.#counts;
  }

  #beginStore(): void {
    if (this.#literalAt.length === 0) {
      this.#literalAt = new Int32Array(this.#maxPages);
      this.#writes = new StoreWrites(this.#maxPages);
    }
    this.#literals = 0;
    this.#writes.length = 0;
    this.#numbers.reset();
  }

  #carryOut(kind: number, count: number): void {
    switch (kind) {
      case OP.bytes:
        this.#copyContent(count);
        break;
      case OP.literal:
        this.#literal(count);
        break;
      case OP.zero:
        this.#zero(count);
        break;
      case OP.duplicate:
        this.#duplicate(count, this.#reader.number());
        break;
      case OP.progressionLE:
      case OP.progressionBE:
      case OP.listLE:
      case OP.listBE:
        this.#at += readWords(this.#reader, this.#words, this.#view, this.#at);
        break;
      case OP.same:
        this.#stored(count);
        this.#counts.same += count;
        break;
      case OP.stored:
        this.#stored(count);
        this.#counts.duplicate += count;
        break;
      case OP.delta:
        this.#deltas(count);
        break;
      case OP.keep:
        this.#keep(count);
        break;
      default:
        throw wrong(`have an unknown kind (${kind})`);
    }
  }

  /** Checks that the output has room for `bytes` more bytes. @returns the offset after them */
  #reserve(bytes: number): number {
    if (bytes > this.#out.length - this.#at) throw wrong('produce more than its decoded length');
    return this.#at + bytes;
  }

  /** The same for `count` pages; notes their offsets. */
  #reservePages(count: number): number {
    const end = this.#reserve(count * PAGE_BYTES);
    if (count > this.#pageAt.length - this.#page) throw wrong('name more pages than a chunk can hold');
    for (let at = this.#at; at < end; at += PAGE_BYTES) this.#pageAt[this.#page++] = at;
    return end;
  }

  #copyContent(bytes: number): void {
    const end = this.#reserve(bytes);
    const taken = this.#taken;
    if (bytes > this.#content.length - taken) throw wrong('take more content than there is');
    copyBytes(this.#out, this.#at, this.#content, taken, taken + bytes);
    this.#taken = taken + bytes;
    this.#at = end;
  }

  #literal(count: number): void {
    const end = this.#reservePages(count);
    if (this.#from !== undefined) {
      for (let at = this.#at; at < end; at += PAGE_BYTES) this.#literalAt[this.#literals++] = at;
    }
    this.#copyContent(count * PAGE_BYTES);
    this.#counts.literal += count;
  }

  #zero(count: number): void {
    const end = this.#reservePages(count);
    zeroBytes(this.#out, this.#at, end);
    this.#at = end;
    this.#counts.zero += count;
  }

  #duplicate(count: number, distance: number): void {
    const first = this.#page;
    if (distance < 1 || distance > first) throw wrong('repeat a page that is not there');
    this.#at = this.#reservePages(count);
    const out = this.#out;
    for (let index = first; index < first + count; index++) {
      const from = this.#pageAt[index - distance] ?? 0;
      copyBytes(out, this.#pageAt[index]!, out, from, from + PAGE_BYTES);
    }
    this.#counts.duplicate += count;
  }

  #storeView(): StoreView {
    if (this.#from === undefined) throw wrong('use a page store that the stream has not');
    return this.#from;
  }

  /** Copies `count` pages of the store. */
  #stored(count: number): void {
    const { store, needs } = this.#storeView();
    const end = this.#reservePages(count);
    const slot = this.#numbers.read(this.#reader, count, store.slots);
    for (let index = 0; index < count; index++) {
      if (!store.holds(slot + index, needs)) throw notThere(slot + index);
    }
    copyBytes(this.#out, this.#at, store.bytes, slot * PAGE_BYTES, (slot + count) * PAGE_BYTES);
    this.#at = end;
  }

  /** Makes `count` pages, each from its earlier contents and a difference. */
  #deltas(count: number): void {
    const view = this.#storeView();
    const end = this.#reservePages(count);
    for (; this.#at < end; this.#at += PAGE_BYTES) this.#delta(view);
    this.#counts.delta += count;
  }

  #delta({ store, needs }: StoreView): void {
    const at = this.#at;
    const slot = this.#numbers.read(this.#reader, 1, store.slots);
    const end = this.#taken + this.#reader.number();
    if (end > this.#content.length) throw wrong('take more content than there is');
    if (!store.holds(slot, needs)) throw notThere(slot);
    copyBytes(this.#out, at, store.bytes, slot * PAGE_BYTES, (slot + 1) * PAGE_BYTES);
    applyDelta(this.#out, at, this.#content.subarray(this.#taken, end));
    this.#write(slot, at);
    this.#taken = end;
  }

  #keep(count: number): void {
    const { store } = this.#storeView();
    if (count > this.#literals) throw wrong('keep pages that are not there');
    const slot = this.#numbers.read(this.#reader, count, store.slots);
    const first = this.#literals - count;
    for (let index = 0; index < count; index++) this.#write(slot + index, this.#literalAt[first + index]!);
  }

  #write(slot: number, at: number): void {
    if (this.#writes.full) throw wrong('put more pages into the store than a chunk can hold');
    this.#writes.add(slot, at);
  }
}

function notThere(slot: number): RamferryError {
  return wrong(`read slot ${slot} of the page store, which no chunk that this one needs has written`);
}
