// What was measured so far: for each coding the measured regions, and the median of what they took. Estimates the other regions of a
// coding: what its regions cost over what the reference coding cost on the same regions, times what the reference cost on all.
// Differences between regions cancel out that way. Nearly empty regions, where no codec has work, are compared only with
// each other.

import { median } from 'simple-statistics';

import type { CodecName } from '../../codec/codec.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { StretchCost } from '../model/model.js';
import type { Region } from './region.js';
import type { Coding, RegionFigures } from './codec-rig.js';
import { MIB } from '../../units.js';

/** The coding that every region is measured with. */
export const REFERENCE: Coding = { codec: 'zstd', level: 1, chunkSize: MIB };

export function codingKey({ codec, level, chunkSize }: Coding): string {
  return `${codec} ${level} ${chunkSize}`;
}

interface Entry {
  readonly coding: Coding;
  readonly figures: Map<number, RegionFigures>;
  /** Of each region all times. */
  readonly times: Map<number, { readonly encode: number[]; readonly decode: number[] }>;
  /** Ratio of a repetition and the fastest before it, less 1. */
  readonly spreads: number[];
}

export class Measurements {
  readonly #entries = new Map<string, Entry>();

  constructor(readonly regions: readonly Region[]) {}

  /** @param from index of the first region that was measured; the others follow it */
  add(coding: Coding, from: number, figures: readonly RegionFigures[]): void {
    const key = codingKey(coding);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { coding, figures: new Map(), times: new Map(), spreads: [] };
      this.#entries.set(key, entry);
    }
    for (const [step, found] of figures.entries()) {
      const times = entry.times.get(from + step) ?? { encode: [], decode: [] };
      entry.times.set(from + step, times);
      if (found.encode > 0 && times.encode.length > 0) {
        const before = Math.min(...times.encode);
        if (before > 0)
          entry.spreads.push(Math.max(found.encode, before) / Math.min(found.encode, before) - 1);
      }
      times.encode.push(found.encode);
      times.decode.push(found.decode);
      // The median, not the fastest: more repetitions make the fastest faster, and a transfer meets slow moments, too.
      entry.figures.set(from + step, {
        ...found,
        encode: median(times.encode),
        decode: median(times.decode),
      });
    }
  }

  get codings(): Coding[] {
    return [...this.#entries.values()].map(({ coding }) => coding);
  }

  /** How many regions a coding was measured on. */
  tried(coding: Coding): number {
    return this.#entries.get(codingKey(coding))?.figures.size ?? 0;
  }

  /** Median of how much slower a repetition was than the fastest; undefined without repetitions. */
  spread(codec?: CodecName): number | undefined {
    const all = [...this.#entries.values()]
      .filter(({ coding }) => codec === undefined || coding.codec === codec)
      .flatMap(({ spreads }) => spreads)
      .sort((a, b) => a - b);
    return all[Math.floor(all.length / 2)];
  }

  figures(coding: Coding): ReadonlyMap<number, RegionFigures> {
    return this.#entries.get(codingKey(coding))?.figures ?? new Map<number, RegionFigures>();
  }

  /** Every region under a coding, measured or estimated from the reference. */
  stretches(coding: Coding): StretchCost[] {
    const own = this.figures(coding);
    const reference = this.figures(REFERENCE);
    const relative = relativeTo(own, reference, isFull);
    // Pages that the codec never sees cost the same with every codec.
    const empty = relativeTo(own, reference, isEmpty);
    return this.regions.map((region, index) => {
      const measured = own.get(index);
      const base = reference.get(index);
      const figures =
        measured ?? estimate(base, base !== undefined && isEmpty(base) ? empty : relative, coding);
      const { guestBytes, wireBytes, chunks, encode, decode } = figures;
      return { weight: region.weight, guestBytes, wireBytes, chunks, encode, decode };
    });
  }
}

/** A region with more zero pages than this share counts as empty. */
const EMPTY_SHARE = 0.95;

function isEmpty({ pages, guestBytes }: RegionFigures): boolean {
  return pages.zero * PAGE_BYTES > guestBytes * EMPTY_SHARE;
}

function isFull(figures: RegionFigures): boolean {
  return !isEmpty(figures);
}

interface Relative {
  readonly wireBytes: number;
  readonly encode: number;
  readonly decode: number;
}

function relativeTo(
  own: ReadonlyMap<number, RegionFigures>,
  reference: ReadonlyMap<number, RegionFigures>,
  which: (base: RegionFigures) => boolean,
): Relative {
  const sums = { wireBytes: [0, 0], encode: [0, 0], decode: [0, 0] } as Record<
    keyof Relative,
    [number, number]
  >;
  for (const [index, figures] of own) {
    const base = reference.get(index);
    if (base === undefined || !which(base)) continue;
    for (const what of ['wireBytes', 'encode', 'decode'] as const) {
      sums[what][0] += figures[what];
      sums[what][1] += base[what];
    }
  }
  const ratio = ([a, b]: [number, number]): number => (b === 0 ? 1 : a / b);
  return { wireBytes: ratio(sums.wireBytes), encode: ratio(sums.encode), decode: ratio(sums.decode) };
}

function estimate(base: RegionFigures | undefined, relative: Relative, coding: Coding): RegionFigures {
  if (base === undefined) throw new Error('the reference was not measured on every region');
  return {
    guestBytes: base.guestBytes,
    wireBytes: base.wireBytes * relative.wireBytes,
    chunks: Math.ceil((base.chunks * REFERENCE.chunkSize) / coding.chunkSize),
    encode: base.encode * relative.encode,
    decode: base.decode * relative.decode,
    pages: base.pages,
  };
}
