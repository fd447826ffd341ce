// The page store as chunks see it: pages in numbered slots of shared memory, and for each slot the chunk that wrote it.
// Both sides hold the same pages: the sender's workers write what the chunk's operations say, the receiver's what they read.
// A chunk reads the store as it was before the chunk; its writes take effect behind it. The order of reads and writes is not
// known here: the chunk's `needs` defines it, and the workers wait for it.

import { Buffer } from 'node:buffer';

import { copyBytes } from '../page/copy.js';
import { PAGE_BYTES } from '../page/size.js';
import { zeroBytes } from '../page/zero.js';

/** Most pages of a store: one buffer holds them. */
export const MAX_STORE_PAGES = 2 ** 20 - 1;

/** Bytes of a store of so many pages: each page, and the number of the chunk that wrote it. */
export function storeMemoryBytes(pages: number): number {
  return pages * (PAGE_BYTES + 4);
}

/** Memory that is found ahead of its use (src/os/memory/populator.ts). */
export interface Ahead {
  /** @returns bytes of the store's memory, from its start, for which there is memory now */
  next(): number;
}

export class PageStore {
  /** All pages, slot after slot. */
  readonly bytes: Buffer;
  readonly words: Int32Array;
  readonly slots: number;
  /** Slot → sequence number + 1 of the chunk that wrote it last, its low 32 bits; 0 = none has. */
  readonly #writers: Int32Array;
  readonly #ahead: Ahead | undefined;
  /** Slots from 0 on for which there is memory. The store is filled in this order. */
  #ready = 0;

  /** @param memory of storeMemoryBytes(pages), all zero at first; every thread makes its own views of it */
  constructor(memory: SharedArrayBuffer | ArrayBuffer, ahead?: Ahead) {
    this.#ahead = ahead;
    this.slots = memory.byteLength / storeMemoryBytes(1);
    const pages = this.slots * PAGE_BYTES;
    this.bytes = Buffer.from(memory, 0, pages);
    this.words = new Int32Array(memory, 0, pages / 4);
    this.#writers = new Int32Array(memory, pages, this.slots);
  }

  /** Whether a chunk that waited for the first `needs` chunks may read this slot. */
  holds(slot: number, needs: number): boolean {
    const writer = this.#writers[slot];
    return writer !== undefined && writer !== 0 && (needs - writer) >> 0 >= 0;
  }

  /** Overwrites all pages that a chunk has put here, and forgets them. */
  wipe(): void {
    for (let slot = 0; slot < this.slots; slot++) {
      if (this.#writers[slot] === 0) continue;
      zeroBytes(this.bytes, slot * PAGE_BYTES, (slot + 1) * PAGE_BYTES);
      this.#writers[slot] = 0;
    }
  }

  /** Puts the page at source[at, at + 4096) into a slot. */
  put(slot: number, source: Uint8Array, at: number, sequence: number): void {
    if (slot === this.#ready) this.#getReady();
    copyBytes(this.bytes, slot * PAGE_BYTES, source, at, at + PAGE_BYTES);
    this.#writers[slot] = sequence + 1;
  }

  #getReady(): void {
    const bytes = this.#ahead?.next() ?? Infinity;
    this.#ready = Math.max(this.#ready + 1, Math.floor(bytes / PAGE_BYTES));
  }
}

/** Pages that a chunk puts into the store: noted while it is planned or expanded, written afterwards. */
export class StoreWrites {
  readonly #slots: Int32Array;
  readonly #places: Int32Array;
  length = 0;

  /** @param maxPages most pages of a chunk, which writes no more slots than that */
  constructor(maxPages: number) {
    this.#slots = new Int32Array(maxPages);
    this.#places = new Int32Array(maxPages);
  }

  get full(): boolean {
    return this.length === this.#slots.length;
  }

  /** @param at the page's offset in the chunk's memory */
  add(slot: number, at: number): void {
    this.#slots[this.length] = slot;
    this.#places[this.length++] = at;
  }

  /** Writes the pages to the store, in the order in which they were noted. */
  carryOut(store: PageStore, source: Uint8Array, sequence: number): void {
    for (let index = 0; index < this.length; index++) {
      store.put(this.#slots[index]!, source, this.#places[index]!, sequence);
    }
  }
}
