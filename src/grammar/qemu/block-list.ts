// The list of RAM blocks at the beginning of a ram section: name, size and optional fields of each block. In a mapped-ram file each
// block's bitmap and pages follow its entry (mapped_ram_setup_ramblock in ram.c, since 9.0), so the list is nearly the whole file.
// Where the data differs from what ram.c writes, the walk stops before the item and `lostBecause` says why.

import { PAGE_BYTES } from '../../page/size.js';
import { NO_PAGE, type SegmentSink } from '../grammar.js';
import type { BlockTable, RamBlock } from './blocks.js';
import { readCounted, readU32 } from './fields.js';
import { MAPPED_RAM, RAM_FLAG_MASK } from './format.js';

/** The meaning of the next byte. */
const enum Next {
  block,
  /** a MappedRamHeader behind a block */
  header,
  /** a block's bitmap, and the hole before its pages */
  padding,
  /** all pages of a block */
  pages,
}

const U32 = 2 ** 32;

export class BlockList {
  /** The source may go postcopy: the list then has the page size of blocks of huge pages. */
  postcopyAdvised = false;
  /** Capability x-ignore-shared: the list has the guest address of each block. */
  ignoreShared = false;
  /** Capability mapped-ram: the list has each block's pages. */
  mappedRam = false;
  /** Set when the walk has ended: the item at the returned position differs from what ram.c writes. */
  lostBecause: string | undefined;
  /** Bytes of all blocks; 0 = no list came. */
  total = 0;
  /** Bytes of the pages in the list of a mapped-ram file so far. */
  mapped = 0;
  done = true;

  readonly #blocks: BlockTable;
  #next = Next.block;
  /** Bytes of RAM whose blocks the list has not named yet. */
  #unlisted = 0;
  /** The block whose header, padding or pages come next, and its bytes. */
  #block: RamBlock | undefined;
  #blockBytes = 0;
  /** Bytes left of `padding` and `pages`. */
  #left = 0;

  constructor(blocks: BlockTable) {
    this.#blocks = blocks;
  }

  /** Bytes from the current position on that are pages or holes of a mapped-ram file: the walk does not depend on their values. */
  get passable(): number {
    return this.done ? 0 : this.#left;
  }

  /** A list of so many bytes of RAM begins. */
  begin(total: number): void {
    this.total = this.#unlisted = total;
    this.mapped = 0;
    this.done = total === 0;
    this.#next = Next.block;
    this.#left = 0;
    this.lostBecause = undefined;
  }

  /** Consumes one item. @returns its length; 0 where it is incomplete or invalid */
  walk(data: Uint8Array, at: number, out: SegmentSink): number {
    if (at === data.length) return 0;
    switch (this.#next) {
      case Next.block:
        return this.#entry(data, at, out);
      case Next.header:
        return this.#header(data, at, out);
      case Next.padding:
        return this.#padding(data.length - at, out);
      case Next.pages:
        return this.#pages(data.length - at, out);
    }
  }

  /** One block of the list: name, u64 size, then optional u64 page size, u64 guest address and MappedRamHeader. */
  #entry(data: Uint8Array, at: number, out: SegmentSink): number {
    if (data[at] === 0) {
      // Block names are not empty.
      this.lostBecause = 'list of RAM blocks in an unknown form';
      return 0;
    }
    const name = readCounted(data, at);
    if (name === undefined) return 0;
    const sizeAt = at + 1 + name.length;
    if (sizeAt + 8 > data.length) return 0;
    const size = readU32(data, sizeAt) * U32 + readU32(data, sizeAt + 4);
    if (size > this.#unlisted) {
      this.lostBecause = 'RAM blocks larger than their total';
      return 0;
    }
    const extras = this.#extras(data, sizeAt + 8, size === this.#unlisted);
    if (extras === undefined) return 0;
    const block = this.#blocks.add(name, size);
    if (block === undefined) {
      this.lostBecause = 'too many RAM blocks, or one of more than 2^48 bytes';
      return 0;
    }
    this.#unlisted -= size;
    this.#block = block;
    this.#blockBytes = size;
    if (this.mappedRam) this.#next = Next.header;
    else this.done = this.#unlisted === 0;
    const n = sizeAt + 8 + extras - at;
    out.skeleton(n);
    return n;
  }

  #header(data: Uint8Array, at: number, out: SegmentSink): number {
    if (at + MAPPED_RAM.headerBytes > data.length) return 0;
    const view = viewOf(data);
    const pageBytes = Number(view.getBigUint64(at + 4));
    const pagesAt = view.getBigUint64(at + 20);
    const padding = Number(pagesAt - view.getBigUint64(at + 12));
    const bitmapBytes = Math.ceil(this.#blockBytes / pageBytes / 64) * 8;
    /** An ignored block has no pages: both offsets are 0. */
    const absent = pagesAt === 0n && padding === 0;
    const known =
      view.getUint32(at) === MAPPED_RAM.version &&
      MAPPED_RAM.pageBytes.includes(pageBytes) &&
      (absent || (padding >= bitmapBytes && padding < bitmapBytes + MAPPED_RAM.alignment));
    if (!known) {
      this.lostBecause = 'mapped-ram in an unknown form';
      return 0;
    }
    out.skeleton(MAPPED_RAM.headerBytes);
    if (absent) this.#endPages();
    else {
      this.#left = padding;
      this.#next = Next.padding;
      if (padding === 0) this.#beginPages();
    }
    return MAPPED_RAM.headerBytes;
  }

  /** The bitmap and the hole behind it. Its end is at a multiple of 4096 in the file. */
  #padding(available: number, out: SegmentSink): number {
    const lead = this.#left % PAGE_BYTES;
    const n = lead > 0 ? Math.min(lead, available) : wholePages(this.#left, available);
    if (n === 0) return 0;
    if (lead > 0) out.skeleton(n);
    else out.pages(n / PAGE_BYTES, NO_PAGE);
    this.#left -= n;
    if (this.#left === 0) this.#beginPages();
    return n;
  }

  #beginPages(): void {
    this.#left = this.#blockBytes;
    this.#next = Next.pages;
    if (this.#left === 0) this.#endPages();
  }

  #pages(available: number, out: SegmentSink): number {
    const n = wholePages(this.#left, available);
    if (n > 0) {
      out.pages(n / PAGE_BYTES, this.#block!.base + (this.#blockBytes - this.#left) / PAGE_BYTES);
    } else if (this.#left >= PAGE_BYTES || available < this.#left) return 0;
    // A block need not be a multiple of 4096 bytes long.
    else out.skeleton(this.#left);
    const consumed = n > 0 ? n : this.#left;
    this.mapped += consumed;
    this.#left -= consumed;
    if (this.#left === 0) this.#endPages();
    return consumed;
  }

  #endPages(): void {
    this.#next = Next.block;
    this.done = this.#unlisted === 0;
  }

  /**
   * Length of the optional fields behind a block's size; undefined while more bytes are needed to decide.
   * The address is present with x-ignore-shared. The page size is present after POSTCOPY_ADVISE where it differs from the host's
   * page size, which the stream does not contain. The following bytes decide: a page size begins with a zero byte, the name of
   * the next block does not; and behind the last block comes a word with flags in its low 12 bits.
   */
  #extras(data: Uint8Array, at: number, last: boolean): number | undefined {
    const address = this.ignoreShared ? 8 : 0;
    if (!this.postcopyAdvised) return at + address > data.length ? undefined : address;
    const after = at + address;
    if (after + (last ? 8 : 1) > data.length) return undefined;
    const without = last ? (readU32(data, after + 4) & RAM_FLAG_MASK) !== 0 : data[after] !== 0;
    if (without) return address;
    if (at + 8 > data.length) return undefined;
    const pageSize = viewOf(data).getBigUint64(at);
    // Otherwise the next item will be invalid.
    if (pageSize < PAGE_BYTES || (pageSize & (pageSize - 1n)) !== 0n) return address;
    return at + 8 + address > data.length ? undefined : 8 + address;
  }
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.length);
}

/** Bytes of the whole pages among the next bytes. */
function wholePages(left: number, available: number): number {
  const bytes = Math.min(left, available);
  return bytes - (bytes % PAGE_BYTES);
}
