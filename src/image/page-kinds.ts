// The contents of one page of a generated image, by kind. The bytes depend only on kind, extent seed and index, so a
// distant duplicate takes no memory: the painter paints it again. Knows nothing of the layout of the image.

import { PAGE_BYTES } from '../page/size.js';
import { paintJson, paintLog, paintProse, TEXT_SLACK } from './page-text.js';
import { mixSeed, Random } from './random.js';

export const PAGE_KINDS = [
  'zero',
  'code',
  'log',
  'prose',
  'json',
  'table',
  'pagetable',
  'heap',
  'memmap',
  'sparse',
  'random',
] as const;
export type PageKind = (typeof PAGE_KINDS)[number];

const WORDS_PER_PAGE = PAGE_BYTES / 4;

/** Byte sequences that resemble machine code: first word, second word, length. Frequent ones come first. */
const OPCODES = buildOpcodes(1024);

interface Opcodes {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
  readonly length: Uint8Array;
  /** Bytes at the end that differ from one use to the next: displacements and immediates. */
  readonly operand: Uint8Array;
}

function buildOpcodes(count: number): Opcodes {
  const random = new Random(0x78383663);
  const prefixes = [
    0x48, 0x48, 0x4c, 0x0f, 0xe8, 0x41, 0x89, 0x8b, 0x85, 0x74, 0x75, 0x83, 0x66, 0x31, 0xeb, 0xc7,
  ];
  const verbs = [0x89, 0x8b, 0x8d, 0x83, 0x85, 0x01, 0x39, 0x29, 0xb6, 0x84, 0x81, 0xc7, 0xc1, 0xf7];
  const operands = [1, 1, 1, 4, 0, 0, 0, 4, 1, 0, 2];
  const low = new Uint32Array(count);
  const high = new Uint32Array(count);
  const length = new Uint8Array(count);
  const operand = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const prefix = prefixes[random.below(prefixes.length)]!;
    const verb = verbs[random.below(verbs.length)]!;
    low[i] = prefix | (verb << 8) | (random.below(256) << 16) | (random.below(4) << 24);
    operand[i] = operands[random.below(operands.length)]!;
    length[i] = 2 + random.below(2) + operand[i]!;
  }
  return { low, high, length, operand };
}

/** Paints one page at a time into its own scratch buffer. */
export class PagePainter {
  readonly #scratch = new Uint8Array(PAGE_BYTES + TEXT_SLACK);
  readonly #words = new Uint32Array(this.#scratch.buffer);
  readonly #view = new DataView(this.#scratch.buffer);
  readonly #random = new Random(0);
  readonly #page = this.#scratch.subarray(0, PAGE_BYTES);

  /** The page's bytes, valid until the next call. */
  paint(kind: PageKind, extentSeed: number, index: number): Uint8Array {
    this.#random.reseed(mixSeed(extentSeed, index));
    switch (kind) {
      case 'zero':
        this.#page.fill(0);
        break;
      case 'code':
        this.#code();
        break;
      case 'log':
        paintLog(this.#scratch, this.#random, index);
        break;
      case 'prose':
        paintProse(this.#scratch, this.#random);
        break;
      case 'json':
        paintJson(this.#scratch, this.#random, index);
        break;
      case 'table':
        this.#table(index);
        break;
      case 'pagetable':
        this.#pagetable(extentSeed);
        break;
      case 'heap':
        this.#heap(extentSeed, index);
        break;
      case 'memmap':
        this.#memmap(extentSeed, index);
        break;
      case 'sparse':
        this.#sparse();
        break;
      case 'random':
        for (let i = 0; i < WORDS_PER_PAGE; i++) this.#words[i] = this.#random.next();
        break;
    }
    return this.#page;
  }

  /** Machine code: instructions by frequency, each with a few operand bytes that differ. */
  #code(): void {
    const { low, high, length, operand } = OPCODES;
    const random = this.#random;
    const view = this.#view;
    for (let at = 0; at < PAGE_BYTES;) {
      const bits = random.next();
      // The product of two uniform numbers prefers small ones, as instruction frequencies do.
      const pick = ((bits & 1023) * ((bits >>> 10) & 1023)) >>> 10;
      view.setUint32(at, low[pick]!, true);
      view.setUint32(at + 4, high[pick]!, true);
      at += length[pick]!;
      const varying = operand[pick]!;
      if (varying === 1) view.setUint8(at - 1, (bits >>> 20) & 0x7c);
      else if (varying !== 0) view.setUint16(at - varying, (bits >>> 16) & 0xfff8, true);
    }
  }

  /** A database page: a header, row pointers from the front, fixed columns and a text column from the back. */
  #table(index: number): void {
    const random = this.#random;
    const words = this.#words;
    this.#page.fill(0);
    words[0] = 0;
    words[1] = 0x0198_0000 + index * 0x98;
    words[2] = 0x0000_0018;
    words[3] = 0x2004_2000;
    const rows = 28;
    for (let row = 0; row < rows; row++) {
      words[6 + row] = ((PAGE_BYTES - (row + 1) * 128) & 0x7fff) | 0x00f0_8000;
      let at = (PAGE_BYTES - (row + 1) * 128) / 4;
      words[at++] = 0x2f0;
      words[at++] = 0;
      words[at++] = index;
      words[at++] = 0x0902_0004;
      words[at++] = index * rows + row;
      words[at++] = random.below(100_000);
      words[at++] = random.next();
      words[at++] = random.next() & 0xffff;
      // The text column, padded with blanks.
      const letters = 3 + random.below(8);
      for (let i = 0; i < 22; i++) {
        words[at++] = i < letters ? 0x6161_6161 + (random.next() & 0x0f0f_0f0f) : 0x2020_2020;
      }
    }
  }

  /** A page table: 512 entries of 8 bytes, with frames that mostly ascend and the same flags. */
  #pagetable(extentSeed: number): void {
    const random = this.#random;
    const words = this.#words;
    const filled = 64 + random.below(448);
    const first = random.below(512 - filled + 1);
    const user = (extentSeed & 1) === 1;
    const low = user ? 0x867 : 0x163;
    const high = 0x8000_0000;
    let frame = 0x1000 + random.below(0x1_0000);
    this.#page.fill(0);
    for (let i = first; i < first + filled; i++) {
      const jump = random.next();
      if ((jump & 7) === 0) continue;
      frame = (jump & 0x30) === 0 ? 0x1000 + ((jump >>> 8) & 0xffff) : frame + 1;
      words[2 * i] = ((frame << 12) | low) >>> 0;
      words[2 * i + 1] = high;
    }
  }

  /** Heap objects of one size: pointers with the same high bits, counters, constants, gaps. */
  #heap(extentSeed: number, index: number): void {
    const random = this.#random;
    const words = this.#words;
    random.reseed(extentSeed);
    const size = 8 << random.below(3);
    const base = random.next() & 0x3fff_f000;
    const kernel = random.oneIn(2);
    const high = kernel ? 0xffff_8880 : 0x0000_7f3a;
    const layout = random.next();
    const constant = random.next() & 0xffff;
    random.reseed(mixSeed(extentSeed, index));
    for (let at = 0; at < WORDS_PER_PAGE; at += size) {
      const live = !random.oneIn(6);
      for (let field = 0; field < size; field += 2) {
        const kind = live ? (layout >>> ((field * 3) & 31)) & 7 : 0;
        const word = at + field;
        let low = 0;
        let top = 0;
        if (kind === 1 || kind === 2) {
          low = base + ((random.next() & 0xfff) << 5);
          top = high;
        } else if (kind === 3) {
          low = base + (index << 12) + word * 4;
          top = high;
        } else if (kind === 4) {
          low = random.next() & 0xff;
        } else if (kind === 5) {
          low = constant;
          top = 1;
        } else if (kind === 6) {
          low = random.next() & 0xff_ffff;
          top = constant & 0xff;
        }
        words[word] = low;
        words[word + 1] = top;
      }
    }
  }

  /** The kernel's array of page descriptors: 64-byte records that differ in a few fields. */
  #memmap(extentSeed: number, index: number): void {
    const random = this.#random;
    const words = this.#words;
    const flags = (extentSeed & 3) === 0 ? 0x28 : 0x1_0200;
    for (let at = 0; at < WORDS_PER_PAGE; at += 16) {
      const bits = random.next();
      const used = (bits & 3) !== 0;
      words.fill(0, at, at + 16);
      words[at] = used ? flags : 0;
      words[at + 1] = 0x0f_ffff;
      const neighbour = 0xa000_0000 + (index << 12) + at * 4;
      words[at + 2] = (used ? neighbour - 56 : 0x100) >>> 0;
      words[at + 3] = used ? 0xffff_ea00 : 0xdead_0000;
      words[at + 4] = (used ? neighbour + 72 : 0x122) >>> 0;
      words[at + 5] = used ? 0xffff_ea00 : 0xdead_0000;
      if ((bits & 28) === 0) words[at + 8] = bits >>> 16;
      words[at + 12] = 0xffff_ffff;
      words[at + 13] = used ? 1 : 0;
    }
  }

  /** Nearly empty: a stack or a fresh allocation with a few words in it. */
  #sparse(): void {
    const random = this.#random;
    this.#page.fill(0);
    const start = random.below(WORDS_PER_PAGE - 128);
    for (let left = 4 + random.below(48); left > 0; left--) {
      const at = start + random.below(128);
      const bits = random.next();
      this.#words[at] = (bits & 3) === 0 ? bits : bits & 0xffff;
    }
  }
}
