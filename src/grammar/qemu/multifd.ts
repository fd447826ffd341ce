// The grammar of one channel of a multifd migration: an initial packet, then packets of pages or of device state (QEMU 4.0 to 11,
// migration/multifd.h). A page's identity is (number of its RAM block in this channel) * 2^36 + offset / 4096. Behind each SYNC the bytes leave
// at once: the destination waits for it on every channel. Pages that QEMU has compressed are blocks of unknown structure; opaqueBecause says so.

import { PAGE_BYTES } from '../../page/size.js';
import {
  type Grammar,
  incomplete,
  NO_IDENTITY,
  type ScanEnd,
  SEEN,
  type SegmentSink,
  type StreamEnd,
} from '../grammar.js';
import { MULTIFD_MAGIC } from '../magics.js';
import { OpaqueTail } from '../opaque.js';
import { isFull } from '../room.js';
import { BlockTable, type RamBlock } from './blocks.js';
import { isZeroWord, readPadded, readU32 } from './fields.js';
import { MULTIFD, PAGES_PER_BLOCK } from './format.js';

/** The meaning of the next byte. */
const enum Next {
  initial,
  /** magic, version and flags of a packet */
  head,
  /** the other fields of a packet of pages, with the block's name */
  fields,
  offsets,
  /** what is left of the array of offsets: zeros, or offsets of an earlier packet */
  unused,
  /** the array of a packet that does not tell its length: zeros up to the next packet's magic */
  zeros,
  pages,
  encoded,
  deviceHead,
  deviceState,
}

const WORD = 8;
const U32 = 2 ** 32;

export class MultifdGrammar implements Grammar {
  readonly name = 'qemu';
  readonly state: ScanEnd = 'open';
  /** The main stream alone lets the guest run. */
  readonly finalFrom = Infinity;
  opaqueBecause: string | undefined;
  hint: string | undefined;
  readonly #blocks = new BlockTable();
  #next = Next.initial;
  #offset = 0;
  /** Set when the walk has ended: the packet differs from what multifd.c writes. */
  #tail: OpaqueTail | undefined;
  #sync = false;
  #encoding = 0;
  #block: RamBlock | undefined;
  /** Page numbers of the packet's pages, in pages of 4096 bytes. */
  #pages: number[] = [];
  /** Offsets of pages with contents that are still to come, those of zero pages behind them, and unused ones. */
  #normal = 0;
  #zero = 0;
  #unused = 0;
  /** Target pages of the packet with contents, and the bytes of each. */
  #count = 0;
  #pageBytes = PAGE_BYTES;
  /** Bytes behind the offsets, and what is left of them. */
  #left = 0;
  #page = 0;
  #brokeOff = false;

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    let at = 0;
    while (this.#tail === undefined && at < data.length && !isFull(out)) {
      const n = this.#step(data, at, out);
      if (n === 0) break;
      at += n;
      this.#offset += n;
    }
    if (isFull(out)) return at;
    if (this.#tail !== undefined) return at + this.#tail.scan(data.subarray(at), atEnd, out);
    if (!atEnd || at === data.length) return at;
    this.#brokeOff = true;
    out.skeleton(data.length - at);
    return data.length;
  }

  /** A channel has no end of its own: the main stream tells whether everything came. */
  end(): StreamEnd {
    if (this.#tail !== undefined) return SEEN;
    const isBetween = (this.#next === Next.head || this.#next === Next.zeros) && !this.#brokeOff;
    return isBetween ? SEEN : incomplete('it breaks off within a packet');
  }

  /** Consumes one item. @returns its bytes; 0 where it is not complete, or the walk has ended before it */
  #step(data: Uint8Array, at: number, out: SegmentSink): number {
    switch (this.#next) {
      case Next.initial:
        return this.#initial(data, at, out);
      case Next.head:
        return this.#head(data, at, out);
      case Next.fields:
        return this.#fields(data, at, out);
      case Next.offsets:
        return this.#offsets(data, at, out);
      case Next.unused:
        return this.#unusedOffsets(data.length - at, out);
      case Next.zeros:
        return this.#zeros(data, at, out);
      case Next.pages:
        return this.#contents(data.length - at, out);
      case Next.encoded:
        return this.#encoded(data.length - at, out);
      case Next.deviceHead:
        return this.#deviceHead(data, at, out);
      case Next.deviceState:
        return this.#passed(Math.min(this.#left, data.length - at), out);
    }
  }

  #initial(data: Uint8Array, at: number, out: SegmentSink): number {
    if (data.length - at < MULTIFD.initialBytes) return 0;
    if (!this.#begins(data, at)) return 0;
    this.#next = Next.head;
    out.skeleton(MULTIFD.initialBytes);
    // The destination waits for it before it accepts the next channel.
    out.flush();
    return MULTIFD.initialBytes;
  }

  #head(data: Uint8Array, at: number, out: SegmentSink): number {
    if (data.length - at < MULTIFD.headBytes) return 0;
    if (!this.#begins(data, at)) return 0;
    const flags = readU32(data, at + 8);
    if ((flags & ~MULTIFD.knownFlags) !== 0) return this.#lost(`multifd flags 0x${flags.toString(16)}`);
    this.#sync = (flags & MULTIFD.flagSync) !== 0;
    this.#encoding = flags & MULTIFD.encodingMask;
    this.#next = (flags & MULTIFD.flagDeviceState) === 0 ? Next.fields : Next.deviceHead;
    out.skeleton(MULTIFD.headBytes);
    return MULTIFD.headBytes;
  }

  #fields(data: Uint8Array, at: number, out: SegmentSink): number {
    if (data.length - at < MULTIFD.fieldsBytes) return 0;
    const allocated = readU32(data, at);
    const normal = readU32(data, at + 4);
    const bytes = readU32(data, at + 8);
    const zero = readU32(data, at + 20);
    if (allocated > MULTIFD.maxPages || normal + zero > allocated)
      return this.#lost('multifd packet of too many pages');
    if (normal > 0 && !this.#measure(normal, bytes)) return this.#lost('multifd pages of an unknown size');
    if (normal + zero > 0) {
      this.#block = this.#blocks.find(readPadded(data, at + 52, MULTIFD.nameBytes));
      if (this.#block === undefined) return this.#lost('too many RAM blocks');
    }
    this.#pages = [];
    this.#page = 0;
    this.#normal = this.#count = normal;
    this.#zero = zero;
    this.#unused = allocated - normal - zero;
    // The length is that of the packet before where there is no page with contents.
    this.#left = normal === 0 ? 0 : bytes;
    // Since 9.1 a packet without pages does not tell the length of its array, which is all zeros.
    this.#next = allocated === 0 ? Next.zeros : Next.offsets;
    out.skeleton(MULTIFD.fieldsBytes);
    if (allocated === 0) this.#endPacket(out, Next.zeros);
    return MULTIFD.fieldsBytes;
  }

  /** Determines the bytes of a target page. @returns false where no size fits; no codec of QEMU makes a page twice as long */
  #measure(normal: number, bytes: number): boolean {
    if (this.#encoding !== 0) return bytes <= MULTIFD.maxPageBytes * 2 * normal;
    this.#pageBytes = bytes / normal;
    return MULTIFD.pageBytes.includes(this.#pageBytes);
  }

  #offsets(data: Uint8Array, at: number, out: SegmentSink): number {
    const wanted = this.#normal + this.#zero;
    const words = Math.min(wanted, Math.floor((data.length - at) / WORD));
    if (words === 0 && wanted > 0) return 0;
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    for (let i = 0; i < words && i < this.#normal; i++) {
      const offset = view.getUint32(at + i * WORD) * U32 + view.getUint32(at + i * WORD + 4);
      const page = offset / PAGE_BYTES;
      if (!Number.isInteger(page) || page >= PAGES_PER_BLOCK)
        return this.#lost('multifd page at an unknown place');
      this.#pages.push(page);
    }
    const normal = Math.min(words, this.#normal);
    this.#normal -= normal;
    this.#zero -= words - normal;
    if (this.#normal + this.#zero === 0) this.#next = Next.unused;
    if (words > 0) out.words(words, true);
    else return this.#unusedOffsets(data.length - at, out);
    if (this.#unused === 0 && this.#next === Next.unused) this.#beginContents(out);
    return words * WORD;
  }

  #unusedOffsets(available: number, out: SegmentSink): number {
    const words = Math.min(this.#unused, Math.floor(available / WORD));
    this.#unused -= words;
    if (words > 0) out.words(words, true);
    if (this.#unused === 0) this.#beginContents(out);
    return words * WORD;
  }

  #beginContents(out: SegmentSink): void {
    if (this.#left === 0) this.#endPacket(out, Next.head);
    else if (this.#encoding === 0) this.#next = Next.pages;
    else {
      this.#next = Next.encoded;
      const codec = MULTIFD.encodings[this.#encoding] ?? 'an unknown method';
      this.opaqueBecause ??= `multifd pages that QEMU has compressed with ${codec}`;
      this.hint ??=
        "set QEMU's multifd-compression to none: ramferry does the same, with all of the guest's pages";
    }
  }

  #zeros(data: Uint8Array, at: number, out: SegmentSink): number {
    let n = 0;
    while (at + n + WORD <= data.length && isZeroWord(data, at + n)) n += WORD;
    if (n > 0) out.words(n / WORD, true);
    else if (at + WORD <= data.length) return this.#head(data, at, out);
    // The next scan comes with the next bytes: these are not held back.
    if (n > 0 && this.#sync) out.flush();
    return n;
  }

  /** 4096 bytes of a target page after the other. */
  #contents(available: number, out: SegmentSink): number {
    const parts = this.#pageBytes / PAGE_BYTES;
    let n = 0;
    while (n + PAGE_BYTES <= available && this.#page < this.#count * parts && !isFull(out)) {
      const run = this.#run(Math.floor((available - n) / PAGE_BYTES), parts);
      out.pages(run, this.#identity(this.#page, parts));
      this.#page += run;
      n += run * PAGE_BYTES;
    }
    this.#left -= n;
    if (this.#left === 0) this.#endPacket(out, Next.head);
    return n;
  }

  /** Pages from the current one on whose numbers follow each other, at most so many. */
  #run(most: number, parts: number): number {
    const last = Math.min(most, this.#count * parts - this.#page);
    let n = 1;
    while (n < last && this.#identity(this.#page + n, parts) === this.#identity(this.#page, parts) + n) n++;
    return n;
  }

  #identity(page: number, parts: number): number {
    return this.#block!.base + this.#pages[Math.floor(page / parts)]! + (page % parts);
  }

  #encoded(available: number, out: SegmentSink): number {
    const blocks = Math.floor(Math.min(this.#left, available) / PAGE_BYTES);
    if (blocks === 0) return available < this.#left ? 0 : this.#passed(this.#left, out);
    out.pages(blocks, NO_IDENTITY);
    this.#left -= blocks * PAGE_BYTES;
    if (this.#left === 0) this.#endPacket(out, Next.head);
    return blocks * PAGE_BYTES;
  }

  #deviceHead(data: Uint8Array, at: number, out: SegmentSink): number {
    const { nameBytes, deviceBytes } = MULTIFD;
    if (data.length - at < deviceBytes) return 0;
    this.#left = readU32(data, at + nameBytes + 4);
    this.#next = Next.deviceState;
    out.skeleton(deviceBytes);
    if (this.#left === 0) this.#endPacket(out, Next.head);
    return deviceBytes;
  }

  #passed(bytes: number, out: SegmentSink): number {
    out.skeleton(bytes);
    this.#left -= bytes;
    if (this.#left === 0) this.#endPacket(out, Next.head);
    return bytes;
  }

  #endPacket(out: SegmentSink, next: Next): void {
    this.#next = next;
    if (this.#sync) out.flush();
  }

  /** Checks magic and version. */
  #begins(data: Uint8Array, at: number): boolean {
    if (!MULTIFD_MAGIC.every((byte, i) => data[at + i] === byte)) this.#lost('no multifd packet');
    else if (readU32(data, at + 4) !== MULTIFD.version)
      this.#lost(`multifd version ${readU32(data, at + 4)}`);
    return this.#tail === undefined;
  }

  #lost(because: string): 0 {
    this.opaqueBecause ??= because;
    this.#tail = new OpaqueTail(this.#offset);
    return 0;
  }
}
