// Last step of a decoding: operations and content back to the bytes of the stream.
// Checks everything it is told (lengths, distances, counts, slots) and throws ERR_STREAM_FORMAT; it never writes outside
// the chunk it was given. The page store is only read here: what a chunk puts into it is noted for its caller.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import { copyBytes } from '../page/copy.js';
import { PAGE_BYTES } from '../page/size.js';
import { applyDelta } from '../page/xbzrle.js';
import { zeroBytes } from '../page/zero.js';
import { OP, OperationReader, SlotNumbers } from './operations.js';
import { type PageStore, StoreWrites } from './page-store.js';
import { readWords } from './words.js';

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

/** Expands chunks one after the other; owns the table of where each page lies. */
export class Expander {
  readonly #maxPages: number;
  readonly #pageAt: Int32Array;
  /** Where each literal page lies; only a stream with a page store asks for it. */
  #literalAt = new Int32Array(0);
  #literals = 0;
  #writes = new StoreWrites(0);
  readonly #numbers = new SlotNumbers();

  /** @param maxPages most pages that one chunk can hold */
  constructor(maxPages: number) {
    this.#maxPages = maxPages;
    this.#pageAt = new Int32Array(maxPages);
  }

  /** What the chunk expanded last puts into the store; places are offsets in its bytes. */
  get writes(): StoreWrites {
    return this.#writes;
  }

  /**
   * @param out exactly the decoded length; need not be zeroed
   * @param from undefined for a stream without a page store
   * @returns pages by encoding, for comparison with the record's header
   */
  expand(operations: Uint8Array, content: Buffer, out: Buffer, from?: StoreView): PageCounts {
    const counts: PageCounts = { zero: 0, literal: 0, duplicate: 0, same: 0, delta: 0 };
    if (from !== undefined) this.#begin();
    const words = { high: 0, low: 0 };
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    const reader = new OperationReader(operations);
    let taken = 0;
    let at = 0;
    let page = 0;

    /** Room for `bytes` more bytes of output; the offset after them. */
    const reserve = (bytes: number): number => {
      if (bytes > out.length - at) throw wrong('produce more than its decoded length');
      return at + bytes;
    };
    const place = (count: number): void => {
      if (count > this.#pageAt.length - page) throw wrong('name more pages than a chunk can hold');
      for (let index = 0; index < count; index++) this.#pageAt[page++] = at + index * PAGE_BYTES;
    };
    const copyContent = (bytes: number): void => {
      const end = reserve(bytes);
      if (bytes > content.length - taken) throw wrong('take more content than there is');
      copyBytes(out, at, content, taken, taken + bytes);
      taken += bytes;
      at = end;
    };

    while (reader.next()) {
      const { kind, count } = reader;
      switch (kind) {
        case OP.bytes:
          copyContent(count);
          break;
        case OP.literal:
          reserve(count * PAGE_BYTES);
          place(count);
          if (from !== undefined) this.#noteLiterals(count, at);
          copyContent(count * PAGE_BYTES);
          counts.literal += count;
          break;
        case OP.zero: {
          const end = reserve(count * PAGE_BYTES);
          place(count);
          zeroBytes(out, at, end);
          at = end;
          counts.zero += count;
          break;
        }
        case OP.duplicate: {
          const distance = reader.number();
          if (distance < 1 || distance > page) throw wrong('repeat a page that is not there');
          const end = reserve(count * PAGE_BYTES);
          place(count);
          for (let index = page - count; index < page; index++) {
            const from = this.#pageAt[index - distance] ?? 0;
            copyBytes(out, this.#pageAt[index]!, out, from, from + PAGE_BYTES);
          }
          at = end;
          counts.duplicate += count;
          break;
        }
        case OP.progressionLE:
        case OP.progressionBE:
        case OP.listLE:
        case OP.listBE:
          at += readWords(reader, words, view, at);
          break;
        case OP.same:
        case OP.stored:
        case OP.delta:
        case OP.keep: {
          if (from === undefined) throw wrong('use a page store that the stream has not');
          if (kind === OP.keep) {
            this.#keep(reader, count, from);
            break;
          }
          reserve(count * PAGE_BYTES);
          place(count);
          if (kind === OP.delta) {
            for (let index = 0; index < count; index++) {
              taken = this.#delta(reader, content, taken, out, at + index * PAGE_BYTES, from);
            }
          } else {
            this.#stored(reader, count, out, at, from);
          }
          counts[kind === OP.same ? 'same' : kind === OP.delta ? 'delta' : 'duplicate'] += count;
          at += count * PAGE_BYTES;
          break;
        }
        default:
          throw wrong(`have an unknown kind (${kind})`);
      }
    }
    if (at !== out.length) throw wrong('produce less than its decoded length');
    if (taken !== content.length) throw wrong('leave content over');
    if (from !== undefined && this.#writes.length > page)
      throw wrong('put more pages into the store than there are');
    return counts;
  }
  #begin(): void {
    if (this.#literalAt.length === 0) {
      this.#literalAt = new Int32Array(this.#maxPages);
      this.#writes = new StoreWrites(this.#maxPages);
    }
    this.#literals = 0;
    this.#writes.length = 0;
    this.#numbers.reset();
  }

  #noteLiterals(count: number, at: number): void {
    for (let index = 0; index < count; index++) this.#literalAt[this.#literals++] = at + index * PAGE_BYTES;
  }

  /** Copies `count` pages of the store to out[at, …). */
  #stored(
    reader: OperationReader,
    count: number,
    out: Buffer,
    at: number,
    { store, needs }: StoreView,
  ): void {
    const slot = this.#numbers.read(reader, count, store.slots);
    for (let index = 0; index < count; index++) {
      if (!store.holds(slot + index, needs)) throw notThere(slot + index);
    }
    copyBytes(out, at, store.bytes, slot * PAGE_BYTES, (slot + count) * PAGE_BYTES);
  }

  /** Makes one page at out[at, …) from its earlier contents and content[taken, …); returns how far content is taken. */
  #delta(
    reader: OperationReader,
    content: Buffer,
    taken: number,
    out: Buffer,
    at: number,
    { store, needs }: StoreView,
  ): number {
    const slot = this.#numbers.read(reader, 1, store.slots);
    const end = taken + reader.number();
    if (end > content.length) throw wrong('take more content than there is');
    if (!store.holds(slot, needs)) throw notThere(slot);
    copyBytes(out, at, store.bytes, slot * PAGE_BYTES, (slot + 1) * PAGE_BYTES);
    applyDelta(out, at, content.subarray(taken, end));
    this.#write(slot, at);
    return end;
  }

  #keep(reader: OperationReader, count: number, { store }: StoreView): void {
    if (count > this.#literals) throw wrong('keep pages that are not there');
    const slot = this.#numbers.read(reader, count, store.slots);
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
