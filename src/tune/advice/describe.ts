// The result of `tune`: the recommendation, the alternatives, and all that a report shows. Computed from the measurements and the
// model; reads a few pages of the input to find out what memory consists of.

import { cpus } from 'node:os';

import { allowedCpus } from '../../os/processor/cpus.js';
import { GIB } from '../../units.js';
import type { Measurements } from '../measure/measurements.js';
import { flagsFor } from './flags.js';
import type { HostLoad } from '../../os/processor/host-load.js';
import type { TuneInput } from '../measure/input.js';
import { ETHERNET_PAYLOAD } from '../model/link.js';
import { makeUp } from './make-up.js';
import { predict, type Route } from '../model/model.js';
import type { ResolvedTuneOptions } from './options.js';
import {
  type Choice,
  type Confidence,
  confidence,
  paysUpTo,
  reasonsToWithhold,
  type Table,
} from './recommend.js';
import type { Alternative, CodingFigures, Probed, TuneResult } from './result.js';
import type { Coding } from '../measure/codec-rig.js';
import { predictLive } from '../model/live.js';

/** Rows of the table of alternatives. */
const ALTERNATIVES = 10;
/** Kinds of input whose pages come once, and need no page store. */
const IMAGES: readonly string[] = ['raw', 'opaque'];

export interface Findings {
  readonly settings: ResolvedTuneOptions;
  readonly input: TuneInput;
  readonly measurements: Measurements;
  readonly route: Route;
  readonly table: Table;
  /** Of that table, on that route. */
  readonly choices: readonly Choice[];
  readonly best: Choice;
  readonly probed: Probed | undefined;
  readonly load: HostLoad;
  /** The engine's own cost was measured. */
  readonly engine: boolean;
}

/** @param took milliseconds that measuring took */
export async function describe(findings: Findings, took: number): Promise<TuneResult> {
  const { settings, input, measurements, route, table, choices, best, probed } = findings;
  const { sample, kind } = input;
  const plain = choices.find((choice) => choice.settings.codec === 'none')!;
  const alternative = (choice: Choice): Alternative => toAlternative(choice, settings, route);
  const payload = (rate: number): number | null => (rate === Infinity ? null : rate / ETHERNET_PAYLOAD);
  const codecs = new Set(table.codings.map(({ codec }) => codec).filter((codec) => codec !== 'none'));
  const spread = measurements.spread(best.settings.codec);
  const trust = confidenceOf(findings, spread);
  const withheld = reasonsToWithhold({
    busy: findings.load.busy,
    confidence: trust,
    spread,
    codings: table.codings.length,
    engine: findings.engine,
  });
  return {
    input: { name: settings.input, kind, bytes: sample.bytes },
    sample: {
      regions: measurements.regions.length,
      bytes: measurements.regions.reduce((sum, { length }) => sum + length, 0),
      whole: sample.whole && measurements.regions.length === sample.regions.length,
      seed: settings.seed,
    },
    ...(settings.bandwidth === undefined ? {} : { bandwidth: settings.bandwidth }),
    ...(probed === undefined ? {} : { probe: probed }),
    route,
    ...(withheld.length === 0 ? {} : { withheld }),
    recommended: alternative(best),
    flags: flagsFor(best.settings, !IMAGES.includes(kind)),
    alternatives: choices
      .filter((choice) => choice !== best && choice !== plain)
      .slice(0, ALTERNATIVES)
      .map(alternative),
    uncompressed: alternative(plain),
    paysUpTo: Object.fromEntries([...codecs].map((codec) => [codec, payload(paysUpTo(table, codec, route))])),
    confidence: trust,
    memory: await makeUp(measurements, input.fd),
    codings: table.codings.map((coding) => codingFigures(coding, table)),
    loads: table.codings.map((coding, index) => ({ coding: index, loads: table.stretches(coding) })),
    ...(settings.dirtyRate === 0
      ? {}
      : { dirtyRate: settings.dirtyRate, downtimeLimit: settings.downtimeLimit }),
    took: Math.round(took),
    host: {
      cpus: allowedCpus(),
      model: cpus()[0]?.model.trim() ?? 'unknown',
      node: process.versions.node,
      load: findings.load,
    },
  };
}

/** @param spread of repetitions with the recommended codec */
function confidenceOf(
  { input, measurements, route, table, best }: Findings,
  spread: number | undefined,
): Confidence {
  const { threads } = best.settings;
  const flowing = { ...route, startUp: 0 };
  return confidence({
    regionSeconds: table
      .stretches(best.settings)
      .map((stretch) => predict([stretch], threads, flowing).seconds),
    empty: measurements.regions.map(({ empty }) => empty === true),
    whole: input.sample.whole && measurements.regions.length === input.sample.regions.length,
    spread,
    extrapolated: best.prediction.extrapolated,
    measured: best.measured,
  });
}

function toAlternative(
  { settings, prediction, measured }: Choice,
  { dirtyRate, downtimeLimit }: ResolvedTuneOptions,
  route: Route,
): Alternative {
  const { seconds, wireBytes, guestBytes, guestRate, senderCpu, receiverCpu } = prediction;
  const gib = guestBytes / GIB;
  return {
    settings,
    seconds,
    wireBytes,
    ratio: guestBytes / wireBytes,
    guestRate,
    senderCpuPerGiB: senderCpu / gib,
    receiverCpuPerGiB: receiverCpu / gib,
    bottleneck: prediction.bottleneck,
    extrapolated: prediction.extrapolated,
    measured,
    ...(dirtyRate === 0
      ? {}
      : {
          live: predictLive({
            guestBytes,
            dirtyRate,
            guestRate,
            downtimeLimit: downtimeLimit / 1e3,
            startUp: route.startUp,
          }),
        }),
  };
}

function codingFigures(coding: Coding, table: Table): CodingFigures {
  let guest = 0;
  let wire = 0;
  let encode = 0;
  let decode = 0;
  for (const stretch of table.stretches(coding)) {
    guest += stretch.weight * stretch.guestBytes;
    wire += stretch.weight * stretch.wireBytes;
    encode += stretch.weight * stretch.encode;
    decode += stretch.weight * stretch.decode;
  }
  return {
    codec: coding.codec,
    level: coding.level,
    chunkSize: coding.chunkSize,
    ratio: guest / wire,
    compressRate: guest / encode,
    decompressRate: guest / decode,
    measured: table.measured(coding),
  };
}
