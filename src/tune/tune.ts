// `tune`: from a guest's memory and a link to settings. Samples, measures the engine and the codecs, and asks the model.
// Ends within its budget and a few seconds; leaves nothing behind.

import { cpus } from 'node:os';

import { allowedCpus } from '../migration/cpus.js';
import { type Bank, REFERENCE } from './bank.js';
import { candidates, variants } from './candidates.js';
import { flagsFor } from './flags.js';
import { openTuneInput, type TuneInput } from './input.js';
import { ETHERNET_PAYLOAD, payloadRate } from './link.js';
import { makeUp } from './make-up.js';
import { measure, measureScaling } from './measure.js';
import { type Host, predict, type Prediction, type Route, type Threads } from './model.js';
import { type ResolvedTuneOptions, resolveTuneOptions, type TuneOptions } from './options.js';
import { mainCost, measureSettings, type Settings as EngineSettings } from './overhead.js';
import { type Choice, confidence, paysUpTo, recommended, Table, threadSteps } from './recommend.js';
import type { Alternative, CodingFigures, TuneResult } from './result.js';
import { type Coding, Rig } from './rig.js';
import { predictLive } from './rounds.js';

const GIB = 1024 ** 3;
/** Rows of the table of alternatives. */
const ALTERNATIVES = 10;
/** Milliseconds of the budget that are left for the model. */
const RESERVE_MS = 400;
/** Shares of the budget: the engine's overhead, the scaling over threads. */
const OVERHEAD_SHARE = 0.15;
const SCALING_SHARE = 0.15;

/** @throws RamferryError ERR_OPTION_INVALID, or what opening and reading the input throws */
export async function tune(options: TuneOptions): Promise<TuneResult> {
  const settings = resolveTuneOptions(options);
  const started = performance.now();
  const input = await openTuneInput(settings.input, {
    seed: settings.seed,
    signal: settings.signal,
    onProgress: (bytes) => settings.onProgress?.(`reading (${Math.round(bytes / 1e6)} MB)`, 0),
  });
  try {
    return await advise(settings, input, started);
  } finally {
    await input.close();
  }
}

async function advise(settings: ResolvedTuneOptions, input: TuneInput, started: number): Promise<TuneResult> {
  const { sample, fd } = input;
  const begun = performance.now();
  const deadline = begun + settings.budget - RESERVE_MS;
  settings.onProgress?.('the engine', 0);
  const engine = await measureSettings({
    file: input.part.file,
    shortFile: input.part.shortFile,
    writer: settings.writer,
    scratch: input.scratch,
    deadline: begun + settings.budget * OVERHEAD_SHARE,
    signal: settings.signal,
    zstdBinding: settings.zstdBinding,
  });
  const usable = allowedCpus();
  settings.onProgress?.('threads', (performance.now() - begun) / settings.budget);
  const scaling = await measureScaling({
    regions: sample.regions,
    fd,
    threads: threadSteps(Math.min(usable, Math.max(settings.compressCpus, settings.decompressCpus ?? 1))),
    coding: REFERENCE,
    deadline: performance.now() + settings.budget * SCALING_SHARE,
    zstdBinding: settings.zstdBinding,
  });
  const sender: Host = {
    cpus: settings.compressCpus,
    main: withReader(mainCost(engine.costs, 'sender'), sample.readerCpu),
    scaling: scaling.compress,
  };
  const receiver: Host = {
    cpus: settings.decompressCpus ?? settings.compressCpus,
    main: mainCost(engine.costs, 'receiver'),
    scaling: scaling.decompress,
  };
  const linkRate = payloadRate(settings.bandwidth);
  const flowing: Route = { sender, receiver, linkRate, startUp: 0 };
  const rig = new Rig({ fd, threads: 1, zstdBinding: settings.zstdBinding });
  const all: Threads = { compress: sender.cpus, decompress: receiver.cpus };
  const expect = (bank: Bank, coding: Coding, route: Route): Prediction =>
    predict(bank.loads(coding), all, route);
  let bank: Bank;
  try {
    bank = await measure({
      regions: sample.regions,
      rig,
      candidates: candidates(),
      variants,
      deadline,
      judge: (found, coding) => expect(found, coding, flowing).seconds,
      floor: (found, coding) => expect(found, coding, { ...flowing, linkRate: Infinity }).seconds,
      onProgress: (coding, share) => settings.onProgress?.(`${coding.codec} ${coding.level}`, share),
      signal: settings.signal,
    });
  } finally {
    await rig.close();
  }
  const route: Route = { ...flowing, startUp: startUp(engine, bank, input, flowing, usable) };
  return describe(settings, input, bank, route, performance.now() - started);
}

function withReader(cost: Host['main'], readerCpu: number): Host['main'] {
  return { ...cost, perGuestByte: cost.perGuestByte + readerCpu };
}

/** What the command took beyond the flow of data that the model expects. */
function startUp(
  engine: EngineSettings,
  bank: Bank,
  input: TuneInput,
  route: Route,
  usableCpus: number,
): number {
  const loads = bank
    .loads(REFERENCE)
    .slice(0, input.part.regions)
    .map((load) => ({ ...load, weight: 1 }));
  const { seconds, senderCpu, receiverCpu } = predict(
    loads,
    { compress: 1, decompress: 1 },
    { ...route, linkRate: Infinity },
  );
  // Both sides were on this host: with one processor they took turns.
  const flow = usableCpus === 1 ? senderCpu + receiverCpu : seconds;
  return Math.max(0, engine.command - flow);
}

async function describe(
  settings: ResolvedTuneOptions,
  input: TuneInput,
  bank: Bank,
  route: Route,
  took: number,
): Promise<TuneResult> {
  const { sample, kind } = input;
  const table = new Table(bank);
  const choices = table.choices(route);
  const best = recommended(choices);
  const alternative = (choice: Choice): Alternative => toAlternative(choice, settings, route);
  const loads = table.loads(table.codings.find((coding) => sameCoding(coding, best.settings))!);
  const payload = (rate: number): number | null => (rate === Infinity ? null : rate / ETHERNET_PAYLOAD);
  const codecs = new Set(table.codings.map(({ codec }) => codec).filter((codec) => codec !== 'none'));
  return {
    input: { name: settings.input, kind, bytes: sample.bytes },
    sample: {
      regions: bank.regions.length,
      bytes: bank.regions.reduce((sum, { length }) => sum + length, 0),
      whole: sample.whole && bank.regions.length === sample.regions.length,
      seed: settings.seed,
    },
    ...(settings.bandwidth === undefined ? {} : { bandwidth: settings.bandwidth }),
    route,
    recommended: alternative(best),
    flags: flagsFor(best.settings),
    alternatives: choices
      .filter((choice) => choice !== best)
      .slice(0, ALTERNATIVES)
      .map(alternative),
    uncompressed: alternative(choices.find((choice) => choice.settings.codec === 'none')!),
    paysUpTo: Object.fromEntries([...codecs].map((codec) => [codec, payload(paysUpTo(table, codec, route))])),
    confidence: confidence({
      regionSeconds: loads.map(
        (load) => predict([load], best.settings.threads, { ...route, startUp: 0 }).seconds,
      ),
      whole: sample.whole && bank.regions.length === sample.regions.length,
      spread: bank.spread(best.settings.codec),
      extrapolated: best.prediction.extrapolated,
      measured: best.measured,
    }),
    memory: await makeUp(bank, input.fd),
    codings: table.codings.map((coding) => codingFigures(coding, table)),
    loads: table.codings.map((coding, index) => ({ coding: index, loads: table.loads(coding) })),
    ...(settings.dirtyRate === 0
      ? {}
      : { dirtyRate: settings.dirtyRate, downtimeLimit: settings.downtimeLimit }),
    took: Math.round(took),
    host: {
      cpus: allowedCpus(),
      model: cpus()[0]?.model.trim() ?? 'unknown',
      node: process.versions.node,
    },
  };
}

function sameCoding(a: Coding, b: Coding): boolean {
  return a.codec === b.codec && a.level === b.level && a.chunkSize === b.chunkSize;
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
  for (const load of table.loads(coding)) {
    guest += load.weight * load.guestBytes;
    wire += load.weight * load.wireBytes;
    encode += load.weight * load.encode;
    decode += load.weight * load.decode;
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
