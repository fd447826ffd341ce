// A sample of a RAM image: regions from all over it, drawn with a seed, each with the share of the image that it stands
// for. An image that is small enough is taken whole. Bounded: it holds positions, never page contents.
//
// Two stages. First a few pages of every stratum are read, which tells empty memory (holes of a sparse file among it) from
// memory in use. Then most regions are drawn from memory in use: otherwise a region or two would stand for 16 GiB with 2 % in use.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';

import { PAGE_BYTES } from '../../page/size.js';
import { isZeroPage } from '../../page/zero.js';
import { Random } from '../../image/random.js';
import { REGION_BYTES, type Region } from './region.js';

export interface Sample {
  readonly regions: readonly Region[];
  /** Bytes of the whole input. */
  readonly bytes: number;
  /** Bytes of the regions. */
  readonly sampled: number;
  /** The regions are the whole input: only the clock's uncertainty is left. */
  readonly whole: boolean;
  /** Seconds of processor time that reading and recognising a byte costs on the main thread; 0 where workers read. */
  readonly readerCpu: number;
}

export interface SampleOptions {
  readonly seed: number;
  /** Most regions to draw. */
  readonly regions: number;
  /** Milliseconds after which the search for empty memory ends. */
  readonly lookTime: number;
}

/** Pages that are read of each region, to tell whether it holds anything. */
const LOOKS = 4;
/** Share of the drawn regions that goes to memory that looked empty: it may not be. */
const EMPTY_SHARE = 1 / 8;

/** @param fd of a regular file of `bytes` bytes */
export function sampleImage(fd: number, bytes: number, options: SampleOptions): Sample {
  const count = Math.ceil(bytes / REGION_BYTES);
  const random = new Random(options.seed);
  const region = (index: number, weight: number): Region => {
    const offset = index * REGION_BYTES;
    return { weight, offset, length: Math.min(REGION_BYTES, bytes - offset) };
  };
  if (count <= options.regions) {
    const regions = spread(Array.from({ length: count }, (_, index) => region(index, 1)));
    return { regions, bytes, sampled: bytes, whole: true, readerCpu: 0 };
  }
  const used: number[] = [];
  const empty: number[] = [];
  const deadline = performance.now() + options.lookTime;
  const probe = new EmptyProbe(fd, bytes, random);
  for (let index = 0; index < count; index++) {
    // Out of time: a region that was not looked at counts as used.
    const blank = performance.now() < deadline && probe.looksEmpty(index);
    (blank ? empty : used).push(index);
  }
  const forEmpty =
    empty.length === 0
      ? 0
      : Math.min(
          empty.length,
          Math.max(1, Math.round(options.regions * EMPTY_SHARE), options.regions - used.length),
        );
  const regions = mixed(
    spread(draw(used, Math.min(used.length, options.regions - forEmpty), random, region)),
    spread(draw(empty, forEmpty, random, region)).map((each) => ({ ...each, empty: true })),
  );
  const sampled = regions.reduce((sum, { length }) => sum + length, 0);
  return { regions, bytes, sampled, whole: false, readerCpu: 0 };
}

/** Reads a few pages of a region of an image, to tell whether the region holds anything. */
class EmptyProbe {
  readonly #fd: number;
  readonly #bytes: number;
  readonly #random: Random;
  readonly #page = Buffer.alloc(PAGE_BYTES);
  readonly #view = new DataView(this.#page.buffer, this.#page.byteOffset, this.#page.byteLength);

  constructor(fd: number, bytes: number, random: Random) {
    this.#fd = fd;
    this.#bytes = bytes;
    this.#random = random;
  }

  looksEmpty(index: number): boolean {
    const start = index * REGION_BYTES;
    const pages = Math.floor(Math.min(REGION_BYTES, this.#bytes - start) / PAGE_BYTES);
    for (let look = 0; look < LOOKS && pages > 0; look++) {
      // One page out of each quarter.
      const along = (look + this.#random.below(1024) / 1024) / LOOKS;
      const within = Math.min(pages - 1, Math.floor(along * pages));
      const got = fs.readSync(this.#fd, this.#page, 0, PAGE_BYTES, start + within * PAGE_BYTES);
      if (got === PAGE_BYTES && !isZeroPage(this.#page, this.#view, 0)) return false;
    }
    return true;
  }
}

/** One of each of `wanted` strata of equal size. */
function draw(
  from: readonly number[],
  wanted: number,
  random: Random,
  region: (index: number, weight: number) => Region,
): Region[] {
  return Array.from({ length: wanted }, (_, stratum) => {
    const start = Math.floor((stratum * from.length) / wanted);
    const end = Math.floor(((stratum + 1) * from.length) / wanted);
    return region(from[start + random.below(end - start)]!, end - start);
  });
}

/**
 * The same regions in an order in which every beginning is spread over the input: a caller with time for a part of them takes
 * the first ones. (Van der Corput's sequence: halves, quarters, eighths.)
 */
export function spread(regions: readonly Region[]): Region[] {
  const inOrder = [...regions].sort((a, b) => a.offset - b.offset);
  const bits = Math.ceil(Math.log2(Math.max(2, inOrder.length)));
  const order: Region[] = [];
  for (let step = 0; step < 2 ** bits; step++) {
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) reversed |= ((step >> bit) & 1) << (bits - 1 - bit);
    const region = inOrder[reversed];
    if (region !== undefined) order.push(region);
  }
  return order;
}

/** Both strata in one order, so that every beginning has some of the second one, from the second region on. */
function mixed(most: readonly Region[], few: readonly Region[]): Region[] {
  const all = [...most];
  const step = (most.length + few.length) / Math.max(1, few.length);
  for (const [index, each] of few.entries()) all.splice(1 + Math.floor(index * step), 0, each);
  return all;
}

/** The first regions, weighted to stand for all of them, each stratum for itself. */
export function fewer(regions: readonly Region[], count: number): Region[] {
  const kept = regions.slice(0, count);
  const bytes = (which: readonly Region[], empty: boolean): number =>
    which
      .filter((region) => (region.empty === true) === empty)
      .reduce((sum, { weight, length }) => sum + weight * length, 0);
  const scale = (empty: boolean): number => bytes(regions, empty) / bytes(kept, empty);
  const factors = { used: scale(false), empty: scale(true) };
  return kept.map((region) => ({
    ...region,
    weight: region.weight * (region.empty === true ? factors.empty : factors.used),
  }));
}
