// `bench`: how fast each coding is on a guest's memory, there and back, through the real workers; and other programs beside
// it. Measures and recommends nothing: that is tune's task. Each coding is warmed up, repeated, and reported at its best.

import { cpus } from 'node:os';

import type { CodecName } from '../../codec/codec.js';
import { usableCodecs } from '../../codec/features.js';
import { bindingInfo } from '../../codec/registry.js';
import { RamferryError } from '../../errors.js';
import { peakMemory } from '../../os/memory/peak-memory.js';
import { allowedCpus } from '../../os/processor/cpus.js';
import { type BenchOptions, REPETITIONS } from '../../options/rows/tune.js';
import { invalidOption, KIB, MIB } from '../../units.js';
import { Measurements, REFERENCE } from '../measure/measurements.js';
import { benchDelta } from './delta.js';
import type { BenchResult, BenchRow, DeltaFigures } from './result.js';
import { benchRow } from './row.js';
import { watchHostLoad } from '../../os/processor/host-load.js';
import { openTuneInput, type TuneInput } from '../measure/input.js';
import { makeUp } from '../advice/make-up.js';
import { resolveBenchOptions, type ResolvedBenchOptions } from '../advice/options.js';
import { benchPeers, type PeerFigures } from './peers.js';
import { type Coding, CodecRig } from '../measure/codec-rig.js';
import { fewer } from '../measure/sample.js';

const DEFAULT_LEVELS: Readonly<Record<CodecName, readonly number[]>> = {
  none: [1],
  lz4: [1],
  zstd: [-7, 1, 3, 9],
  zlib: [1],
};
/** Chunk sizes of the reference, when none are given. */
const DEFAULT_SIZES = [64 * KIB, 256 * KIB, MIB, 4 * MIB];
/** Regions, and repetitions after the pass that warms up. */
const FULL = { regions: 32, repetitions: REPETITIONS.full };
const QUICK = { regions: 12, repetitions: REPETITIONS.quick };
const MOST_PEER_REPETITIONS = 3;

/**
 * Measures codecs on a guest's memory, on this host.
 * @throws RamferryError ERR_OPTION_INVALID, ERR_INPUT_…
 * @example
 * ```ts
 * import { bench } from 'ramferry';
 *
 * const { rows } = await bench({ input: 'guest.ram', codecs: ['lz4'], threads: [1], quick: true, peers: false });
 * for (const { codec, level, ratio, compress } of rows) console.log(codec, level, ratio, compress.best);
 * ```
 */
export async function bench(options: BenchOptions): Promise<BenchResult> {
  const settings = resolveBenchOptions(options);
  const codings = codingsOf(settings);
  const started = performance.now();
  const hostLoad = watchHostLoad();
  const input = await openTuneInput(settings.input, { seed: settings.seed, signal: settings.signal });
  try {
    const plan = settings.quick ? QUICK : FULL;
    const repetitions = settings.repetitions ?? plan.repetitions;
    const regions = fewer(input.sample.regions, plan.regions);
    const measurements = new Measurements(regions);
    const rows = await benchRows(settings, input.fd, codings, repetitions, measurements);
    const delta = await deltaOf(settings, input, codings, repetitions);
    const peers = await peersOf(settings, input, repetitions);
    return {
      input: { name: settings.input, kind: input.kind, bytes: input.sample.bytes },
      sample: {
        regions: regions.length,
        bytes: regions.reduce((sum, { length }) => sum + length, 0),
        seed: settings.seed,
      },
      repetitions,
      rows,
      ...(delta === undefined ? {} : { delta }),
      peers,
      memory: await makeUp(measurements, input.fd),
      loads: measurements.codings.map((coding) => ({ coding, loads: measurements.stretches(coding) })),
      peakMemory: peakMemory(),
      took: Math.round(performance.now() - started),
      host: {
        cpus: allowedCpus(),
        model: cpus()[0]?.model.trim() ?? 'unknown',
        node: process.versions.node,
        load: hostLoad(),
      },
    };
  } finally {
    await input.close();
  }
}

/** Every coding with every number of threads. @param measurements gets the figures of one thread */
async function benchRows(
  { threads = [...new Set([1, allowedCpus()])], zstdBinding, signal, onProgress }: ResolvedBenchOptions,
  fd: number,
  codings: readonly Coding[],
  repetitions: number,
  measurements: Measurements,
): Promise<BenchRow[]> {
  const { regions } = measurements;
  const rows: BenchRow[] = [];
  const steps = threads.length * codings.length;
  for (const [turn, count] of threads.entries()) {
    const rig = new CodecRig({ fd, threads: count, zstdBinding });
    try {
      for (const [index, coding] of codings.entries()) {
        signal?.throwIfAborted();
        const { codec, level, chunkSize: size } = coding;
        const step = `${codec} ${level}, ${size / KIB} KiB, ${count} threads`;
        onProgress?.(step, (turn * codings.length + index) / steps);
        const figures = count === 1 ? measurements : undefined;
        rows.push(await benchRow(rig, coding, regions, repetitions, figures));
      }
      // What memory consists of is read from the reference.
      if (turn === 0 && measurements.tried(REFERENCE) < regions.length) {
        measurements.add(REFERENCE, 0, (await rig.run(REFERENCE, regions)).figures);
      }
    } finally {
      await rig.close();
    }
  }
  return rows;
}

/** What page deltas gain, where an older image is given. */
async function deltaOf(
  { before, zstdBinding, signal, onProgress }: ResolvedBenchOptions,
  input: TuneInput,
  codings: readonly Coding[],
  repetitions: number,
): Promise<DeltaFigures | undefined> {
  if (before === undefined) return undefined;
  return benchDelta({
    ...{ before, input, codings, repetitions, zstdBinding, signal },
    onProgress: ({ codec, level }) => onProgress?.(`${codec} ${level}, deltas`, 1),
  });
}

/** Other programs, unless they are not wanted. */
async function peersOf(
  { peers, signal, onProgress }: ResolvedBenchOptions,
  { part, scratch }: TuneInput,
  repetitions: number,
): Promise<PeerFigures[]> {
  if (!peers) return [];
  return benchPeers({
    file: part.file,
    scratch,
    threads: allowedCpus(),
    repetitions: Math.min(MOST_PEER_REPETITIONS, repetitions),
    onProgress: (name) => onProgress?.(name, 1),
    signal,
  });
}

function codingsOf(settings: ResolvedBenchOptions): Coding[] {
  const usable = usableCodecs();
  const codecs = settings.codecs ?? usable;
  const missing = codecs.find((codec) => !usable.includes(codec));
  if (missing !== undefined) {
    throw new RamferryError('ERR_CODEC_UNAVAILABLE', `codec ${missing} cannot be used here`, {
      hint: 'ramferry features says why',
    });
  }
  const sizes = settings.chunkSizes;
  return codecs.flatMap((codec) => {
    const { levels } = bindingInfo(codec, codec === 'zstd' ? { binding: settings.zstdBinding } : {});
    const wanted = levels.effective && codec !== 'none' ? settings.levels : undefined;
    return (wanted ?? DEFAULT_LEVELS[codec]).flatMap((level) => {
      if (level < levels.min || level > levels.max) {
        throw invalidOption('levels', level, `codec ${codec} has ${levels.min} to ${levels.max}`);
      }
      const reference = codec === REFERENCE.codec && level === REFERENCE.level;
      const own = sizes ?? (reference && !settings.quick ? DEFAULT_SIZES : [REFERENCE.chunkSize]);
      return own.map((size) => ({ codec, level, chunkSize: size }));
    });
  });
}
