// The program inside the simulated guest: writes pages of a working set and marks them dirty.
// Takes RAM, a bitmap and a seed. Promises that N writes in a row touch each page of a working set of N pages once, so
// that "pages per second" is the dirty rate. Knows neither time nor rounds.

import { RamferryError } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import type { WritePattern } from '../options/amounts.js';
import type { DirtyBitmap } from './dirty-bitmap.js';
import type { GuestRam } from './ram.js';
import { mixSeed, Random } from '../image/random.js';

export interface WorkloadOptions {
  readonly pattern: WritePattern;
  /** First page of the working set. */
  readonly firstPage: number;
  /** Size of the working set in pages. */
  readonly pages: number;
  /** Only its low 32 bits count. */
  readonly seed: number;
}

const LINE_BYTES = 64;
const COUNTER_STRIDE = 512;

export class Workload {
  readonly options: WorkloadOptions;
  readonly #ram: GuestRam;
  readonly #dirty: DirtyBitmap;
  readonly #random: Random;
  readonly #step: number;
  #cursor: number;
  #written = 0;

  /** @throws RamferryError ERR_OPTION_INVALID when the working set does not lie within RAM */
  constructor(ram: GuestRam, dirty: DirtyBitmap, options: WorkloadOptions) {
    const { firstPage, pages } = options;
    const inside = Number.isSafeInteger(firstPage) && firstPage >= 0 && firstPage + pages <= ram.pages;
    if (!inside || !Number.isSafeInteger(pages) || pages < 1) {
      throw new RamferryError(
        'ERR_OPTION_INVALID',
        `a working set of ${pages} pages from page ${firstPage} does not lie within ${ram.pages} pages of RAM`,
        { hint: 'make the working set smaller or the guest larger' },
      );
    }
    this.options = options;
    this.#ram = ram;
    this.#dirty = dirty;
    this.#random = new Random(mixSeed(options.seed, pages));
    this.#step = coprimeStep(pages);
    this.#cursor = this.#random.below(pages);
  }

  /** Pages written so far. */
  get written(): number {
    return this.#written;
  }

  /** Writes the next n pages of the walk. */
  write(n: number): void {
    const { firstPage, pages } = this.options;
    for (let left = n; left > 0; left--) {
      const page = firstPage + this.#cursor;
      this.#writePage(page);
      this.#dirty.mark(page);
      this.#cursor = (this.#cursor + this.#step) % pages;
    }
    this.#written += n;
  }

  #writePage(index: number): void {
    const random = this.#random;
    switch (this.options.pattern) {
      case 'integers': {
        const { buffer, byteOffset } = this.#ram.page(index);
        random.fillBelow(new Uint32Array(buffer, byteOffset, PAGE_BYTES / 4), 100_000);
        return;
      }
      case 'lines': {
        const { buffer, byteOffset } = this.#ram.page(index);
        const line = random.below(PAGE_BYTES / LINE_BYTES) * LINE_BYTES;
        const words = new Uint32Array(buffer, byteOffset + line, LINE_BYTES / 4);
        for (let i = 0; i < words.length; i++) words[i] = random.next();
        return;
      }
      case 'counters': {
        const page = this.#ram.page(index);
        for (let at = 0; at < PAGE_BYTES; at += COUNTER_STRIDE) countUp(page, at);
        return;
      }
      case 'same':
        return;
    }
  }
}

/** Adds one to a little-endian 64-bit number. */
function countUp(page: Buffer, at: number): void {
  const low = page.readUInt32LE(at);
  page.writeUInt32LE((low + 1) >>> 0, at);
  if (low === 0xffff_ffff) page.writeUInt32LE((page.readUInt32LE(at + 4) + 1) >>> 0, at + 4);
}

/** A step near the golden section, coprime to `pages`: the walk visits every page before it repeats one. */
function coprimeStep(pages: number): number {
  if (pages < 3) return 1;
  let step = Math.round(pages * 0.618_034);
  while (greatestCommonDivisor(step, pages) !== 1) step++;
  return step;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
