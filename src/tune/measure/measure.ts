// Measures codings on a sample within a budget of time. First the reference on every region, then every candidate briefly, then
// the codings in the running for longer. Higher levels are left out where compression alone takes longer than the best
// whole transfer. Returns Measurements; what they mean for a link is the caller's to say.

import type { CodecRig, Coding } from './codec-rig.js';
import { codingKey, Measurements, REFERENCE } from './measurements.js';
import type { Region } from './region.js';
import { fewer } from './sample.js';

/** Regions in one go: enough that clocks and queues do not matter, few enough to stop in time. */
const BATCH = 4;

export interface MeasureOptions {
  readonly regions: readonly Region[];
  readonly rig: Pick<CodecRig, 'run'>;
  /** From the cheapest on; of one codec, ascending levels. */
  readonly candidates: readonly Coding[];
  /** Candidates that are measured briefly whatever the time: without them there is nothing to compare. */
  readonly always?: readonly Coding[];
  /** When to be done, by performance.now(). */
  readonly deadline: number;
  /** Predicted seconds of a transfer with what was measured of a coding. */
  readonly judge: (measurements: Measurements, coding: Coding) => number;
  /** Least seconds of a transfer that compression with this coding alone allows. */
  readonly floor: (measurements: Measurements, coding: Coding) => number;
  /** Variants of a promising coding that are measured too: other chunk sizes. */
  readonly variants: (coding: Coding) => readonly Coding[];
  readonly onProgress?: (coding: Coding, share: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Regions that are measured with the reference at least, however slow the machine: real transfers consist of them. */
export const LEAST_REGIONS = 16;
/** Share of the time that the reference may take. */
const REFERENCE_SHARE = 0.2;
/** No compression: the chunks are scanned all the same. */
const UNCOMPRESSED: Coding = { codec: 'none', level: 1, chunkSize: REFERENCE.chunkSize };

/** Higher levels are left out once compression alone takes this many times as long as the best transfer. */
const HOPELESS = 1.5;
/** Regions of the first, brief pass over a coding: few, so that other chunk sizes have their turn within a short budget. */
const BRIEF = 4;
/** A brief pass takes at most one of so many parts of the time that is left. */
const BRIEF_PARTS = 20;
/** Milliseconds for a region, beyond which a codec's first allocations no longer show. */
const SLOW_MS = 100;
/** Codings in the running. */
const FINALISTS = 6;

export async function measure(options: MeasureOptions): Promise<Measurements> {
  const measuring = await Measuring.begin(options);
  await measuring.everyRegion(REFERENCE);
  // Always measured: the figures without compression do not follow from the reference. What is left of memory without its
  // zero pages has little to do with how far it shrinks.
  await measuring.everyRegion(UNCOMPRESSED);
  // From the cheapest on, as below: the levels of a codec above a hopeless one are left out here, too.
  for (const coding of options.always ?? []) await measuring.brief(coding, true);
  for (const coding of options.candidates) await measuring.brief(coding);
  for (const coding of measuring.finalists())
    for (const variant of options.variants(coding)) await measuring.brief(variant);
  await measuring.refine();
  return measuring.measurements;
}

class Measuring {
  readonly #options: MeasureOptions;
  readonly #begun: number;
  readonly #regions: readonly Region[];
  readonly measurements: Measurements;
  /** Milliseconds of a region with each coding, by its key. */
  readonly #cost = new Map<string, number>();
  /** For each codec the level from which on compression alone takes too long. */
  readonly #hopeless = new Map<string, number>();

  private constructor(options: MeasureOptions, begun: number, regions: readonly Region[]) {
    this.#options = options;
    this.#begun = begun;
    this.#regions = regions;
    this.measurements = new Measurements(regions);
  }

  /** Warms up, and takes as many regions as the reference can afford. */
  static async begin(options: MeasureOptions): Promise<Measuring> {
    const { rig, regions, deadline } = options;
    const begun = performance.now();
    const some = regions.slice(0, BATCH);
    // Code is compiled and caches are filled on the first pass: it does not count.
    await rig.run(REFERENCE, some);
    await rig.run({ ...REFERENCE, codec: 'none' }, some);
    const started = performance.now();
    const first = await rig.run(REFERENCE, some);
    const perRegion = (performance.now() - started) / first.figures.length;
    const affordable = Math.floor(((deadline - performance.now()) * REFERENCE_SHARE) / perRegion);
    return new Measuring(options, begun, fewer(regions, Math.max(LEAST_REGIONS, affordable)));
  }

  async everyRegion(coding: Coding): Promise<void> {
    for (let from = 0; from < this.#regions.length; from += BATCH) await this.#run(coding, from, BATCH);
  }

  /** A first pass over a few regions. */
  async brief(coding: Coding, whateverTheTime = false): Promise<void> {
    const { measurements } = this;
    if (measurements.tried(coding) > 0 || (this.#left() < 0 && !whateverTheTime)) return;
    if (coding.level >= (this.#hopeless.get(coding.codec) ?? Infinity)) return;
    const { rig, judge, floor } = this.#options;
    this.#report(coding);
    // How slow the coding is, is unknown. The first region makes the codec allocate its tables: where that shows, it does not count.
    const started = performance.now();
    const { figures } = await rig.run(coding, this.#regions.slice(0, 1));
    const took = performance.now() - started;
    if (took > SLOW_MS) measurements.add(coding, 0, figures);
    this.#cost.set(codingKey(coding), took);
    const affordable = Math.floor(Math.min(BRIEF, this.#left() / BRIEF_PARTS / took));
    if (took <= SLOW_MS) await this.#run(coding, 0, Math.max(1, affordable));
    else if (affordable > 1) await this.#run(coding, 1, affordable - 1);
    const best = Math.min(...measurements.codings.map((each) => judge(measurements, each)));
    if (floor(measurements, coding) > best * HOPELESS && coding.level > 1) {
      this.#hopeless.set(coding.codec, coding.level);
    }
  }

  /** The codings that may be the best, the best first. */
  finalists(): Coding[] {
    const { judge } = this.#options;
    const { measurements } = this;
    return measurements.codings
      .sort((a, b) => judge(measurements, a) - judge(measurements, b))
      .slice(0, FINALISTS);
  }

  /** Spends the rest of the time on the finalists: more regions first, then the same again. */
  async refine(): Promise<void> {
    const again = new Map<string, number>();
    while (this.#left() > 0) {
      let moved = false;
      for (const coding of this.finalists()) {
        const tried = this.measurements.tried(coding);
        const key = codingKey(coding);
        const next = tried < this.#regions.length ? tried : (again.get(key) ?? 0) % this.#regions.length;
        const count = Math.min(BATCH, this.#regions.length - next);
        if ((this.#cost.get(key) ?? 0) * count > this.#left()) continue;
        if (tried >= this.#regions.length) again.set(key, next + count);
        await this.#run(coding, next, count);
        moved = true;
      }
      if (!moved) break;
    }
  }

  async #run(coding: Coding, from: number, count: number): Promise<void> {
    this.#report(coding);
    const started = performance.now();
    const part = this.#regions.slice(from, from + count);
    if (part.length === 0) return;
    const { figures } = await this.#options.rig.run(coding, part);
    this.measurements.add(coding, from, figures);
    this.#cost.set(codingKey(coding), (performance.now() - started) / part.length);
  }

  #report(coding: Coding): void {
    const { signal, onProgress, deadline } = this.#options;
    signal?.throwIfAborted();
    onProgress?.(coding, Math.min(1, (performance.now() - this.#begun) / (deadline - this.#begun)));
  }

  /** Milliseconds. */
  #left(): number {
    return this.#options.deadline - performance.now();
  }
}
