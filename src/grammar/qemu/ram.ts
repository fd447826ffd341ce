// The data of QEMU's ram sections: 64-bit words (address | flags), with block names, pages, fill bytes and deltas between
// them, up to the word EOS. The block table and the last page's block survive from section to section, as in ram_load().
// Where the data differs from what ram.c writes, the walk stops before the item and `lostBecause` says why.

import { PAGE_BYTES } from '../../page/size.js';
import type { SegmentSink } from '../grammar.js';
import { BlockList } from './block-list.js';
import { BlockTable, type RamBlock } from './blocks.js';
import { RAM_FLAG, RAM_FLAG_MASK, PAGE_BITS, PAGES_PER_BLOCK, UNTOLD_PAGE_BITS } from './format.js';
import { ReusedView } from './data-view.js';
import { COMPRESSED, hintFor, holdsXbzrle, type PageEncoding, XBZRLE, xbzrleBytes } from './encoded-pages.js';
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
const PAGE_CONTINUED = RAM_FLAG.page | RAM_FLAG.continue;
const ZERO_CONTINUED = RAM_FLAG.zero | RAM_FLAG.continue;
const XBZRLE_CONTINUED = RAM_FLAG.xbzrle | RAM_FLAG.continue;

export class RamWalk {
  /** The section's data has ended; the next call begins another section. */
  ended = false;
  /** Set when the walk has ended: the item at the returned position differs from what ram.c writes. */
  lostBecause: string | undefined;

  readonly #blocks = new BlockTable();
  readonly list = new BlockList(this.#blocks);
  #block: RamBlock | undefined;
  #next = Next.word;
  /** The item that the current word announced, behind the block's name. */
  #announced = Next.word;
  /** Page number in the current word, in pages of 4096 bytes. */
  #pageNumber = 0;
  /** Bytes left of `page` and `bytes`. */
  #left = 0;
  /** Bytes of a target page, and whether the stream has told them. */
  #pageBytes = PAGE_BYTES;
  #pageBytesTold = false;
  /** Target pages that were followed in the stream, and the index in UNTOLD_PAGE_BITS of the size that is assumed. */
  #whole = 0;
  #assumed = 0;
  /** The capability by which QEMU has encoded a page itself. */
  #encoded: string | undefined;
  /** Target pages that were sent, zero pages and later rounds included. */
  #sent = 0;
  readonly #view = new ReusedView();

  /** Bytes of RAM that the first round has not sent yet; undefined before the list of blocks. */
  get left(): number | undefined {
    const { total, mapped } = this.list;
    return total === 0 ? undefined : Math.max(0, total - mapped - this.#sent * this.#pageBytes);
  }

  /** What to turn off where QEMU has encoded pages itself. */
  get hint(): string | undefined {
    return this.#encoded === undefined ? undefined : hintFor(this.#encoded);
  }

  /** Sets log2 of the target page size, as the stream tells it. */
  set pageBits(bits: number | undefined) {
    this.#pageBytesTold = bits !== undefined;
    this.#pageBytes = 2 ** (bits ?? PAGE_BITS.min);
  }

  /**
   * Continues at the beginning of another section after the walk of the stream has ended. When it ended behind the first page, that
   * page had another size.
   * @param within the walk ended in this section's data
   * @returns false where no size fits
   */
  resume(within: boolean): boolean {
    this.lostBecause = undefined;
    this.ended = false;
    this.#next = Next.word;
    const wrongSize = this.#whole === 1 || (this.#whole === 0 && this.#assumed > 0);
    if (!within || this.#pageBytesTold || !wrongSize) return true;
    this.#assumed += 1;
    this.#pageBytes = 2 ** UNTOLD_PAGE_BITS[this.#assumed % UNTOLD_PAGE_BITS.length]!;
    this.#whole = 0;
    return this.#assumed < 2 * UNTOLD_PAGE_BITS.length;
  }

  /** Consumes complete items from `at` on. @returns where it stopped: at an incomplete item, or where the section or walk ended */
  walk(data: Uint8Array, at: number, out: SegmentSink): number {
    const view = this.#view.of(data);
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
    // Without a block, and with larger pages, every word takes the slow path.
    const pages = block === undefined || this.#pageBytes !== PAGE_BYTES ? 0 : block.pages;
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
          this.#left = PAGE_BYTES;
          this.#next = Next.page;
          return at;
        }
        out.pages(1, base + number);
        this.#whole++;
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
      } else if (flags === XBZRLE_CONTINUED && number < pages && holdsXbzrle(view, at + WORD)) {
        this.#sent++;
        this.#encoded ??= 'xbzrle';
        out.words(1, true);
        at += WORD;
        if (isFull(out)) {
          this.#next = Next.xbzrle;
          return at;
        }
        const delta = xbzrleBytes(view, at);
        out.skeleton(delta);
        at += delta;
      } else {
        this.lostBecause = this.#announce(flags, number, high * 2 ** 32 + low - flags);
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
        this.#encoded ??= 'xbzrle';
        return this.#announcePage(flags, number, Next.xbzrle);
      case RAM_FLAG.compressPage:
        this.#encoded ??= 'compress';
        return this.#announcePage(flags, number, Next.compressed);
      default:
    }
    switch (flags) {
      case RAM_FLAG.memSize:
        if (address > Number.MAX_SAFE_INTEGER) return 'RAM of more than 2^53 bytes';
        this.list.begin(address);
        if (!this.list.done) this.#next = Next.list;
        return undefined;
      case RAM_FLAG.eos:
        this.ended = true;
        return undefined;
      case RAM_FLAG.hook:
      case RAM_FLAG.multifdFlush:
        return undefined;
      default:
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
    if ((number * PAGE_BYTES) % this.#pageBytes !== 0) {
      this.#next = Next.word;
      return 'address that is no multiple of the page size';
    }
    this.#left = this.#pageBytes;
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
        return available < PAGE_BYTES ? 0 : this.#page(out);
      case Next.fill:
        return this.#header(1, 0, out);
      case Next.xbzrle:
        return this.#encodedPage(view, at, XBZRLE, out);
      case Next.compressed:
        return this.#encodedPage(view, at, COMPRESSED, out);
      case Next.bytes:
        return this.#bytes(Math.min(this.#left, available), out);
      case Next.list: {
        const n = this.list.walk(data, at, out);
        this.lostBecause = this.list.lostBecause;
        if (this.list.done) this.#next = Next.word;
        return n;
      }
      case Next.word:
        return 0;
    }
  }

  /** 4096 bytes of a target page. */
  #page(out: SegmentSink): number {
    out.pages(1, (this.#block?.base ?? 0) + this.#pageNumber);
    this.#pageNumber += 1;
    this.#left -= PAGE_BYTES;
    if (this.#left === 0) {
      this.#next = Next.word;
      this.#whole++;
    }
    return PAGE_BYTES;
  }

  #bytes(n: number, out: SegmentSink): number {
    out.skeleton(n);
    this.#left -= n;
    if (this.#left === 0) this.#next = Next.word;
    return n;
  }

  #header(n: number, bytes: number, out: SegmentSink): number {
    out.skeleton(n);
    this.#left = bytes;
    this.#next = bytes === 0 ? Next.word : Next.bytes;
    return n;
  }

  #encodedPage(view: DataView, at: number, encoding: PageEncoding, out: SegmentSink): number {
    if (view.byteLength - at < encoding.headerBytes) return 0;
    const bytes = encoding.bodyBytes(view, at, this.#pageBytes);
    if (bytes === undefined) return this.#lost(encoding.invalid);
    return this.#header(encoding.headerBytes, bytes, out);
  }

  #name(data: Uint8Array, at: number, out: SegmentSink): number {
    const length = 1 + (data[at] ?? 0);
    if (length > data.length - at) return 0;
    const block = this.#blocks.findAt(data, at);
    if (block === undefined) return this.#lost('too many RAM blocks');
    if (this.#pageNumber >= block.pages) return this.#lost('address beyond the end of its block');
    this.#block = block;
    out.skeleton(length);
    this.#next = this.#announced;
    return length;
  }

  #lost(because: string): 0 {
    this.lostBecause = because;
    return 0;
  }
}
