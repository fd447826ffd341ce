// The data of QEMU's ram sections: 64-bit words (address | flags), with block names, pages, fill bytes and deltas between
// them, up to the word EOS. The block table and the last page's block survive from section to section, as in ram_load().
// Where the data differs from what ram.c writes, the walk stops before the item and `lostBecause` says why.

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

/** The meaning of the next byte. */
const enum Next {
  word,
  /** name of the block, then the item that the word announced */
  name,
  page,
  fill,
  xbzrle,
  compressed,
  /** bytes of a delta or of a compressed page */
  bytes,
  /** the list of blocks behind MEM_SIZE */
  list,
}

const WORD = 8;
const U32 = 2 ** 32;
const PAGE_CONTINUED = RAM_FLAG.page | RAM_FLAG.continue;
const ZERO_CONTINUED = RAM_FLAG.zero | RAM_FLAG.continue;

export class RamWalk {
  /** The source may go postcopy: the list then has the page size of blocks of huge pages. */
  postcopyAdvised = false;
  /** Capability x-ignore-shared: the list has the guest address of each block. */
  ignoreShared = false;
  /** The section's data has ended; the next call begins another section. */
  ended = false;
  /** Set when the walk has ended: the item at the returned position differs from what ram.c writes. */
  lostBecause: string | undefined;

  readonly #blocks = new BlockTable();
  #block: RamBlock | undefined;
  #next = Next.word;
  /** The item that the current word announced, behind the block's name. */
  #announced = Next.word;
  /** Page number in the current word. */
  #pageNumber = 0;
  /** Bytes left of `bytes`. */
  #left = 0;
  /** Bytes of RAM whose blocks the list has not named yet. */
  #unlisted = 0;
  /** Bytes of all blocks by the list; 0 = no list came. */
  #listed = 0;
  /** Pages that were sent, zero pages and later rounds included. */
  #sent = 0;

  /** Bytes of RAM that the first round has not sent yet; undefined before the list of blocks. */
  get left(): number | undefined {
    return this.#listed === 0 ? undefined : Math.max(0, this.#listed - this.#sent * PAGE_BYTES);
  }

  /** Consumes complete items from `at` on. @returns where it stopped: at an incomplete item, or where the section or walk ended */
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

  /** The hot path: words, and the pages and fill bytes of the current block. */
  #words(view: DataView, at: number, out: SegmentSink): number {
    const length = view.byteLength;
    const block = this.#block;
    // Without a block every word takes the slow path.
    const pages = block === undefined ? 0 : block.pages;
    const base = block === undefined ? 0 : block.base;
    while (at + WORD <= length && !isFull(out)) {
      const high = view.getUint32(at);
      const low = view.getUint32(at + 4);
      const flags = low & RAM_FLAG_MASK;
      const number = high * 0x100000 + (low >>> 12);
      if (flags === PAGE_CONTINUED && number < pages) {
        this.#sent++;
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
        this.#sent++;
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

  /** Decides what follows a word. @returns why the walk ends, with unchanged state; or undefined */
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
        this.#listed = address;
        if (address > 0) this.#next = Next.list;
        return undefined;
      case RAM_FLAG.eos:
        this.ended = true;
        return undefined;
      case RAM_FLAG.hook:
      case RAM_FLAG.multifdFlush:
        return undefined;
      default:
        // A MappedRamHeader follows the last block: u32 version, u64 page size.
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
    this.#sent++;
    return undefined;
  }

  /** Consumes one item other than a word. @returns its length; 0 where it is incomplete or invalid */
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
        return this.#listedBlock(data, view, at, out);
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

  /** One block of the list: name, u64 size, then optional u64 page size and u64 guest address. */
  #listedBlock(data: Uint8Array, view: DataView, at: number, out: SegmentSink): number {
    if (data[at] === 0) {
      // Block names are not empty. A MappedRamHeader begins with a u32 version.
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
   * Length of the optional fields behind a block's size; undefined while more bytes are needed to decide.
   * The address is present with x-ignore-shared. The page size is present after POSTCOPY_ADVISE where it differs from the host's
   * page size, which the stream does not contain. The following bytes decide: a page size begins with a zero byte, the name of
   * the next block does not; and behind the last block comes a word with flags in its low 12 bits.
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
    // Otherwise the next item will be invalid.
    if (pageSize < PAGE_BYTES || (pageSize & (pageSize - 1n)) !== 0n) return address;
    return at + 8 + address > view.byteLength ? undefined : 8 + address;
  }
}
