// Measures codings on a sample within a budget of time. First the reference on every region, then every candidate
// briefly, then whoever is in the running for longer. Stops trying higher levels where compression alone takes longer than
// the best whole transfer. Promises figures in a Bank; what they mean for a link is the caller's to say.

import { Measurements, codingKey, REFERENCE } from './measurements.js';
import type { Scaling } from '../model/scaling.js';
import type { Region } from './region.js';
import { fewer } from './sample.js';
import { type Coding, CodecRig } from './codec-rig.js';

/** Regions in one go: enough that clocks and queues do not matter, few enough to stop in time. */
const BATCH = 4;

export interface MeasureOptions {
  readonly regions: readonly Region[];
  readonly rig: Pick<CodecRig, 'run'>;
  /** From the cheapest on; of one codec, ascending levels. */
  readonly candidates: readonly Coding[];
  /** Of the candidates those that have a look whatever the time: without them there is nothing to compare. */
  readonly always?: readonly Coding[];
  /** When to be done, by performance.now(). */
  readonly deadline: number;
  /** Predicted seconds of a transfer with what the measurements holds of a coding. */
  readonly judge: (measurements: Measurements, coding: Coding) => number;
  /** Least seconds of a transfer that compression with this coding alone allows. */
  readonly floor: (measurements: Measurements, coding: Coding) => number;
  /** Variants of a promising coding that are tried too: other chunk sizes. */
  readonly variants: (coding: Coding) => readonly Coding[];
  readonly onProgress?: (coding: Coding, share: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The least that is measured with the reference, however slow the machine: what real transfers are made of. */
export const LEAST_REGIONS = 16;
/** Share of the time that the reference may take. */
const REFERENCE_SHARE = 0.2;
/** No compression: the chunks are looked at all the same. */
const UNCOMPRESSED: Coding = { codec: 'none', level: 1, chunkSize: REFERENCE.chunkSize };

/** So much longer than the best may compression alone take before higher levels are left out. */
const HOPELESS = 1.5;
/** Regions of the first, brief look at a coding: few, so that other chunk sizes have their turn within a short budget. */
const BRIEF = 4;
/** Milliseconds for a region, beyond which a codec's first allocations no longer show. */
const SLOW_MS = 100;
/** Codings in the running. */
const FINALISTS = 6;

export async function measure(options: MeasureOptions): Promise<Measurements> {
  const { candidates, deadline, judge, onProgress } = options;
  const begun = performance.now();
  const left = (): number => deadline - performance.now();
  const told = (coding: Coding): void =>
    onProgress?.(coding, Math.min(1, (performance.now() - begun) / (deadline - begun)));
  const cost = new Map<string, number>();

  // Code is compiled and caches are filled on the first pass: it does not count.
  await options.rig.run(REFERENCE, options.regions.slice(0, BATCH));
  await options.rig.run({ ...REFERENCE, codec: 'none' }, options.regions.slice(0, BATCH));
  const started = performance.now();
  const first = await options.rig.run(REFERENCE, options.regions.slice(0, BATCH));
  const perRegion = (performance.now() - started) / first.figures.length;
  const affordable = Math.floor((left() * REFERENCE_SHARE) / perRegion);
  const regions = fewer(options.regions, Math.max(LEAST_REGIONS, affordable));
  const measurements = new Measurements(regions);

  const run = async (coding: Coding, from: number, count: number): Promise<void> => {
    options.signal?.throwIfAborted();
    told(coding);
    const started = performance.now();
    const part = regions.slice(from, from + count);
    if (part.length === 0) return;
    const { figures } = await options.rig.run(coding, part);
    measurements.add(coding, from, figures);
    cost.set(codingKey(coding), (performance.now() - started) / part.length);
  };

  for (let from = 0; from < regions.length; from += BATCH) await run(REFERENCE, from, BATCH);

  // Whatever else there is no time for, this is asked for; and it cannot be reckoned: what is left of memory without its
  // zero pages has little to do with how far it shrinks.
  for (let from = 0; from < regions.length; from += BATCH) await run(UNCOMPRESSED, from, BATCH);

  /** For each codec the level from which on compression alone takes too long. */
  const hopeless = new Map<string, number>();
  const brief = async (coding: Coding, whateverTheTime = false): Promise<void> => {
    if (measurements.tried(coding) > 0 || (left() < 0 && !whateverTheTime)) return;
    if (coding.level >= (hopeless.get(coding.codec) ?? Infinity)) return;
    options.signal?.throwIfAborted();
    told(coding);
    // Nobody knows yet how slow it is. The first time a codec allocates its tables; where that shows it does not count.
    const started = performance.now();
    const { figures } = await options.rig.run(coding, regions.slice(0, 1));
    const took = performance.now() - started;
    if (took > SLOW_MS) measurements.add(coding, 0, figures);
    cost.set(codingKey(coding), took);
    const affordable = Math.floor(Math.min(BRIEF, left() / 20 / took));
    if (took <= SLOW_MS) await run(coding, 0, Math.max(1, affordable));
    else if (affordable > 1) await run(coding, 1, affordable - 1);
    const best = Math.min(...measurements.codings.map((each) => judge(measurements, each)));
    if (options.floor(measurements, coding) > best * HOPELESS && coding.level > 1) {
      hopeless.set(coding.codec, coding.level);
    }
  };
  // From the cheapest on, as below: the levels of a codec that are slower than hopeless are left out here, too.
  for (const coding of options.always ?? []) await brief(coding, true);
  for (const coding of candidates) await brief(coding);

  const finalists = (): Coding[] =>
    measurements.codings.sort((a, b) => judge(measurements, a) - judge(measurements, b)).slice(0, FINALISTS);
  for (const coding of finalists()) for (const variant of options.variants(coding)) await brief(variant);

  // The rest of the time goes to those that may be the best: more regions first, then again.
  const again = new Map<string, number>();
  while (left() > 0) {
    let moved = false;
    for (const coding of finalists()) {
      const tried = measurements.tried(coding);
      const key = codingKey(coding);
      const next = tried < regions.length ? tried : (again.get(key) ?? 0) % regions.length;
      const count = Math.min(BATCH, regions.length - next);
      if ((cost.get(key) ?? 0) * count > left()) continue;
      if (tried >= regions.length) again.set(key, next + count);
      await run(coding, next, count);
      moved = true;
    }
    if (!moved) break;
  }
  return measurements;
}

/** How many of the regions the scaling is measured on. */
const SCALING_REGIONS = 8;
const SCALING_PASSES = 3;

export interface ScalingOptions {
  readonly regions: readonly Region[];
  readonly fd: number;
  /** Numbers of threads to try, ascending, from 1. */
  readonly threads: readonly number[];
  readonly coding: Coding;
  readonly deadline: number;
  readonly zstdBinding?: string | undefined;
}

/**
 * How much faster more threads are, there and back: whole phases by the clock on the wall. And what decompressing a byte
 * takes with the fewest of them, in seconds of processor time.
 */
export async function measureScaling(
  options: ScalingOptions,
): Promise<{ compress: Scaling; decompress: Scaling; decodePerByte: number }> {
  const regions = options.regions.slice(0, SCALING_REGIONS);
  const compress: { threads: number; speedup: number }[] = [];
  const decompress: { threads: number; speedup: number }[] = [];
  const bytes = regions.reduce((sum, { length }) => sum + length, 0);
  let one: { encode: number; decode: number; cpu: number } | undefined;
  for (const threads of options.threads) {
    if (performance.now() > options.deadline && one !== undefined) break;
    const rig = new CodecRig({ fd: options.fd, threads, zstdBinding: options.zstdBinding });
    const best = { encode: Infinity, decode: Infinity, cpu: Infinity };
    try {
      // The first pass starts the threads.
      await rig.run(options.coding, regions);
      for (let pass = 0; pass < SCALING_PASSES; pass++) {
        if (pass > 0 && performance.now() > options.deadline) break;
        const { encode, decode } = await rig.run(options.coding, regions);
        best.encode = Math.min(best.encode, encode.wall);
        best.decode = Math.min(best.decode, decode.wall);
        best.cpu = Math.min(best.cpu, decode.cpu);
      }
    } finally {
      await rig.close();
    }
    one ??= best;
    compress.push({ threads, speedup: one.encode / best.encode });
    decompress.push({ threads, speedup: one.decode / best.decode });
  }
  return { compress, decompress, decodePerByte: (one?.cpu ?? 0) / bytes };
}
