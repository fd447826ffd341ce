// The data of QEMU's ram sections: 64-bit words (address | flags) with block names, pages, fill bytes and deltas between
// them, up to the word EOS. Blocks and the block of the last page last from one section to the next, as in ram_load().
// It does not know sections; where the data is not as ram.c writes it, it stops before the item and says why.

import { PAGE_BYTES } from '../../page/size.js';
import type { SegmentSink } from '../grammar.js';
import { BlockTable, type RamBlock } from './blocks.js';
import {
  ENCODING_FLAG_XBZRLE,
  RAM_FLAG,
  RAM_FLAG_MASK,
  MAPPED_RAM_VERSION,
  MAX_COMPRESSED,
  MAX_XBZRLE,
  PAGES_PER_BLOCK,
} from './format.js';
import { readCounted } from './fields.js';
import { isFull } from '../room.js';

/** What the next byte is. */
const enum Next {
  word,
  /** name of the block, then what the word announced */
  name,
  page,
  fill,
  xbzrle,
  compressed,
  /** bytes of a delta or of a compressed page */
  bytes,
  /** the blocks after MEM_SIZE */
  list,
}

const WORD = 8;
const U32 = 2 ** 32;
const PAGE_CONTINUED = RAM_FLAG.page | RAM_FLAG.continue;
const ZERO_CONTINUED = RAM_FLAG.zero | RAM_FLAG.continue;

export class RamWalk {
  /** The source may go postcopy: blocks of huge pages then tell their page size. */
  postcopyAdvised = false;
  /** Capability x-ignore-shared: each block tells its guest address. */
  ignoreShared = false;
  /** The section's data ended; the next call is for another section. */
  ended = false;
  /** Set when the walk cannot go on: the item at the position it returned is not what ram.c writes. */
  lostBecause: string | undefined;

  readonly #blocks = new BlockTable();
  #block: RamBlock | undefined;
  #next = Next.word;
  /** What the word at hand announced, to come after the block's name. */
  #announced = Next.word;
  /** Page number that the word at hand told. */
  #pageNumber = 0;
  /** Bytes left of `bytes`. */
  #left = 0;
  /** Bytes of RAM whose blocks are still to be listed. */
  #unlisted = 0;

  /** Consumes what it can from `at` on, and returns where it stopped: at an item that is not complete, or at one of the ends. */
  walk(data: Uint8Array, at: number, out: SegmentSink): number {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    this.ended = false;
    while (!isFull(out)) {
      const before = at;
      at = this.#next === Next.word ? this.#words(view, at, out) : at + this.#item(data, view, at, out);
      if (at === before || this.#stopped()) break;
    }
    return at;
  }

  #stopped(): boolean {
    return this.ended || this.lostBecause !== undefined;
  }

  /** The hot path: words, and the pages and fill bytes of blocks that are already known. */
  #words(view: DataView, at: number, out: SegmentSink): number {
    const length = view.byteLength;
    const block = this.#block;
    // Without a block no address is good enough for the fast forms.
    const pages = block === undefined ? 0 : block.pages;
    const base = block === undefined ? 0 : block.base;
    while (at + WORD <= length && !isFull(out)) {
      const high = view.getUint32(at);
      const low = view.getUint32(at + 4);
      const flags = low & RAM_FLAG_MASK;
      const number = high * 0x100000 + (low >>> 12);
      if (flags === PAGE_CONTINUED && number < pages) {
        out.words(1, true);
        at += WORD;
        if (at + PAGE_BYTES > length || isFull(out)) {
          this.#pageNumber = number;
          this.#next = Next.page;
          return at;
        }
        out.pages(1, base + number);
        at += PAGE_BYTES;
      } else if (flags === ZERO_CONTINUED && number < pages) {
        out.words(1, true);
        at += WORD;
        if (at === length || isFull(out)) {
          this.#next = Next.fill;
          return at;
        }
        out.skeleton(1);
        at += 1;
      } else {
        this.lostBecause = this.#announce(flags, number, high * U32 + low - flags);
        if (this.lostBecause !== undefined) return at;
        out.words(1, true);
        at += WORD;
        if (this.ended || this.#next !== Next.word) return at;
      }
    }
    return at;
  }

  /** Decides what follows a word. Returns why the walk is lost, if it is; then nothing has changed. */
  #announce(flags: number, number: number, address: number): string | undefined {
    switch (flags & ~RAM_FLAG.continue) {
      case RAM_FLAG.page:
        return this.#announcePage(flags, number, Next.page);
      case RAM_FLAG.zero:
        return this.#announcePage(flags, number, Next.fill);
      case RAM_FLAG.xbzrle:
        return this.#announcePage(flags, number, Next.xbzrle);
      case RAM_FLAG.compressPage:
        return this.#announcePage(flags, number, Next.compressed);
      default:
    }
    switch (flags) {
      case RAM_FLAG.memSize:
        if (address > Number.MAX_SAFE_INTEGER) return 'RAM of more than 2^53 bytes';
        this.#unlisted = address;
        if (address > 0) this.#next = Next.list;
        return undefined;
      case RAM_FLAG.eos:
        this.ended = true;
        return undefined;
      case RAM_FLAG.hook:
      case RAM_FLAG.multifdFlush:
        return undefined;
      default:
        // Behind the last block stands a MappedRamHeader: u32 version, u64 page size.
        if (flags === 0 && Math.floor(address / U32) === MAPPED_RAM_VERSION) return 'mapped-ram';
        return `unknown ram flags 0x${flags.toString(16)}`;
    }
  }

  #announcePage(flags: number, number: number, what: Next): string | undefined {
    if ((flags & RAM_FLAG.continue) === 0) {
      if (number >= PAGES_PER_BLOCK) return 'address beyond 2^48';
      this.#announced = what;
      this.#next = Next.name;
    } else {
      if (this.#block === undefined) return 'page of a block that was not named';
      if (number >= this.#block.pages) return 'address beyond the end of its block';
      this.#next = what;
    }
    this.#pageNumber = number;
    return undefined;
  }

  /** One item other than a word; returns its length, or 0 when it is not complete or not to be believed. */
  #item(data: Uint8Array, view: DataView, at: number, out: SegmentSink): number {
    const available = data.length - at;
    if (available === 0) return 0;
    switch (this.#next) {
      case Next.name:
        return this.#name(data, at, out);
      case Next.page:
        if (available < PAGE_BYTES) return 0;
        out.pages(1, (this.#block?.base ?? 0) + this.#pageNumber);
        this.#next = Next.word;
        return PAGE_BYTES;
      case Next.fill:
        out.skeleton(1);
        this.#next = Next.word;
        return 1;
      case Next.xbzrle:
        if (available < 3) return 0;
        if (view.getUint8(at) !== ENCODING_FLAG_XBZRLE || view.getUint16(at + 1) > MAX_XBZRLE) {
          this.lostBecause = 'unknown XBZRLE encoding';
          return 0;
        }
        return this.#header(3, view.getUint16(at + 1), out);
      case Next.compressed:
        if (available < 4) return 0;
        if (view.getUint32(at) > MAX_COMPRESSED) {
          this.lostBecause = 'compressed page that is too long';
          return 0;
        }
        return this.#header(4, view.getUint32(at), out);
      case Next.bytes: {
        const n = Math.min(this.#left, available);
        out.skeleton(n);
        this.#left -= n;
        if (this.#left === 0) this.#next = Next.word;
        return n;
      }
      case Next.list:
        return this.#listed(data, view, at, out);
      case Next.word:
        return 0;
    }
  }

  #header(n: number, bytes: number, out: SegmentSink): number {
    out.skeleton(n);
    this.#left = bytes;
    this.#next = bytes === 0 ? Next.word : Next.bytes;
    return n;
  }

  #name(data: Uint8Array, at: number, out: SegmentSink): number {
    const name = readCounted(data, at);
    if (name === undefined) return 0;
    const block = this.#blocks.find(name);
    if (block === undefined) {
      this.lostBecause = 'too many RAM blocks';
      return 0;
    }
    if (this.#pageNumber >= block.pages) {
      this.lostBecause = 'address beyond the end of its block';
      return 0;
    }
    this.#block = block;
    out.skeleton(1 + name.length);
    this.#next = this.#announced;
    return 1 + name.length;
  }

  /** One block of the list: name, u64 size, then u64 page size and u64 guest address if they are there. */
  #listed(data: Uint8Array, view: DataView, at: number, out: SegmentSink): number {
    if (data[at] === 0) {
      // No block is nameless. A MappedRamHeader begins with a u32 version.
      if (at + 4 > data.length) return 0;
      const mapped = view.getUint32(at) === MAPPED_RAM_VERSION;
      this.lostBecause = mapped ? 'mapped-ram' : 'list of RAM blocks in an unknown form';
      return 0;
    }
    const name = readCounted(data, at);
    if (name === undefined) return 0;
    const sizeAt = at + 1 + name.length;
    if (sizeAt + 8 > data.length) return 0;
    const size = view.getUint32(sizeAt) * U32 + view.getUint32(sizeAt + 4);
    if (size > this.#unlisted) {
      this.lostBecause = 'RAM blocks larger than their total';
      return 0;
    }
    const extras = this.#extras(view, sizeAt + 8, size === this.#unlisted);
    if (extras === undefined) return 0;
    if (this.#blocks.add(name, size) === undefined) {
      this.lostBecause = 'too many RAM blocks, or one of more than 2^48 bytes';
      return 0;
    }
    this.#unlisted -= size;
    if (this.#unlisted === 0) this.#next = Next.word;
    const n = sizeAt + 8 + extras - at;
    out.skeleton(n);
    return n;
  }

  /**
   * How many bytes stand between a block's size and what comes after the block; undefined while that cannot be told.
   * The address is there with x-ignore-shared. The page size is there when postcopy was advised and it is not the page size of
   * the host, which the stream does not tell. What comes after says it: names are not empty, so the next block does not
   * begin with a zero byte as a page size does; and after the last block comes a word, which has flags in its low 12 bits.
   */
  #extras(view: DataView, at: number, last: boolean): number | undefined {
    const address = this.ignoreShared ? 8 : 0;
    if (!this.postcopyAdvised) return at + address > view.byteLength ? undefined : address;
    const after = at + address;
    if (after + (last ? 8 : 1) > view.byteLength) return undefined;
    const without = last ? (view.getUint32(after + 4) & RAM_FLAG_MASK) !== 0 : view.getUint8(after) !== 0;
    if (without) return address;
    if (at + 8 > view.byteLength) return undefined;
    const pageSize = view.getBigUint64(at);
    // Anything else is left for the next item to stumble over.
    if (pageSize < PAGE_BYTES || (pageSize & (pageSize - 1n)) !== 0n) return address;
    return at + 8 + address > view.byteLength ? undefined : 8 + address;
  }
}
