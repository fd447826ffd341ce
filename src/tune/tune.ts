// `tune`: from a guest's memory and a link to settings. Samples, measures the engine and the codecs, and asks the model.
// Ends within its budget and a few seconds; on a busy host it takes longer, says so, and recommends nothing that it cannot
// stand for. Leaves nothing behind.

import { allowedCpus } from '../os/cpus.js';
import { type Measurements, REFERENCE } from './measure/measurements.js';
import { candidates, principal, variants } from './measure/candidates.js';
import { watchHostLoad } from '../os/host-load.js';
import { openTuneInput, type TuneInput } from './measure/input.js';
import { describe, type Findings } from './advice/describe.js';
import { payloadRate } from './model/link.js';
import { measure, measureScaling } from './measure/measure.js';
import { type Host, predict, type Prediction, type Route, type Threads } from './model/model.js';
import type { Scaling } from './model/scaling.js';
import { type ResolvedTuneOptions, resolveTuneOptions, SHORTEST_BUDGET } from './advice/options.js';
import type { TuneOptions } from '../options/tune.js';
import { mainCost, measureSettings } from './measure/overhead.js';
import { recommended, Table, threadSteps } from './advice/recommend.js';
import type { Probed, TuneResult } from './advice/result.js';
import { probe } from './probe/client.js';
import { selfSpeed } from './probe/self-speed.js';
import { startUp } from './model/start-up.js';
import { verify } from './verify/verify.js';
import { type Coding, CodecRig } from './measure/codec-rig.js';

/** Milliseconds of the budget that are left for the model. */
const RESERVE_MS = 400;
/** Shares of the budget: the engine's overhead, the scaling over threads. */
const OVERHEAD_SHARE = 0.15;
const SCALING_SHARE = 0.15;
/** Where the first look at the engine took so much of the budget, there is no second one. */
const LATEST_SHARE = 0.4;
/** After this share of the budget the engine's cost is given up, but not before the shortest budget. */
const GIVE_UP_SHARE = 0.5;
/** What codings have of the budget at least, however long the engine took. */
const CODINGS_SHARE = 0.3;
/** Milliseconds of budget from which on the engine is measured with images of the usual size. */
const USUAL_BUDGET = 10_000;
/** A transfer waits for the other side so often: connecting, its hello, its result. */
const ROUND_TRIPS = 3;

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
    return await advise(settings, options, input, started);
  } finally {
    await input.close();
  }
}

async function advise(
  settings: ResolvedTuneOptions,
  given: TuneOptions,
  input: TuneInput,
  started: number,
): Promise<TuneResult> {
  const { sample, fd } = input;
  const begun = performance.now();
  const watched = watchHostLoad();
  const there = settings.probe === undefined ? undefined : await ask(settings.probe, settings);
  const engineBegun = performance.now();
  settings.onProgress?.('the engine', 0);
  const engine = await measureSettings({
    file: input.part.file,
    writer: settings.writer,
    scratch: input.scratch,
    deadline: engineBegun + settings.budget * OVERHEAD_SHARE,
    latest: begun + settings.budget * LATEST_SHARE,
    giveUp: begun + Math.max(SHORTEST_BUDGET, settings.budget * GIVE_UP_SHARE),
    imageShare: Math.min(1, settings.budget / USUAL_BUDGET),
    signal: settings.signal,
    zstdBinding: settings.zstdBinding,
  });
  const usable = allowedCpus();
  settings.onProgress?.('threads', (performance.now() - begun) / settings.budget);
  const scaling = await measureScaling({
    regions: sample.regions,
    fd,
    threads: threadSteps(
      Math.min(
        usable,
        Math.max(settings.compressCpus, there === undefined ? (settings.decompressCpus ?? 1) : 1),
      ),
    ),
    coding: REFERENCE,
    deadline: performance.now() + settings.budget * SCALING_SHARE,
    zstdBinding: settings.zstdBinding,
  });
  const sender: Host = {
    cpus: settings.compressCpus,
    main: withReader(mainCost(engine.costs, 'sender'), sample.readerCpu),
    scaling: scaling.compress,
  };
  const local: Host = {
    cpus: settings.decompressCpus ?? settings.compressCpus,
    main: mainCost(engine.costs, 'receiver'),
    scaling: scaling.decompress,
  };
  const receiver: Host =
    there === undefined
      ? local
      : {
          ...local,
          cpus: settings.decompressCpus ?? there.probed.cpus,
          scaling: there.scaling,
          slowness: there.probed.slowness,
        };
  const linkRate = there?.probed.linkRate ?? payloadRate(settings.bandwidth);
  const flowing: Route = { sender, receiver, linkRate, startUp: 0 };
  const rig = new CodecRig({ fd, threads: 1, zstdBinding: settings.zstdBinding });
  const all: Threads = { compress: sender.cpus, decompress: receiver.cpus };
  const expect = (measurements: Measurements, coding: Coding, route: Route): Prediction =>
    predict(measurements.stretches(coding), all, route);
  const deadline = Math.max(
    begun + settings.budget - RESERVE_MS,
    performance.now() + settings.budget * CODINGS_SHARE,
  );
  let measurements: Measurements;
  try {
    measurements = await measure({
      regions: sample.regions,
      rig,
      candidates: candidates(),
      always: principal(),
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
  const here: Route = { ...flowing, receiver: local };
  const part = measurements.stretches(REFERENCE).slice(0, input.part.regions);
  const setUp = startUp(engine.command, part, here);
  const route: Route = { ...flowing, startUp: setUp + ROUND_TRIPS * (there?.probed.roundTrip ?? 0) };
  const table = new Table(measurements);
  const choices = table.choices(route);
  const best = recommended(choices);
  const found: Findings = {
    ...{ settings, input, measurements, route, table, choices, best },
    probed: there?.probed,
    load: watched(),
    engine: engine.complete,
  };
  const result = await describe(found, performance.now() - started);
  if (!settings.verify) return result;
  const verified = await verify({
    measurements,
    table,
    best,
    choices,
    route: { ...route, receiver: local, startUp: setUp },
    takerPerByte: engine.takerPerByte,
    fd: input.fd,
    scratch: input.scratch,
    time: settings.budget,
    writer: settings.writer,
    compressCpus: given.compressCpus,
    decompressCpus: given.decompressCpus,
    zstdBinding: settings.zstdBinding,
    signal: settings.signal,
    onProgress: settings.onProgress,
  });
  return { ...result, verified };
}

/** What a probe says of the link and of the other host. */
async function ask(
  address: string,
  { signal, zstdBinding, onProgress }: ResolvedTuneOptions,
): Promise<{ probed: Probed; scaling: Scaling }> {
  onProgress?.('the other host', 0);
  const { linkRate, roundTrip, speed } = await probe(address, { signal });
  const own = await selfSpeed({ time: 0, threads: 1, zstdBinding });
  const slowness = speed.decodePerByte / own.decodePerByte;
  return { probed: { linkRate, roundTrip, cpus: speed.cpus, slowness }, scaling: speed.scaling };
}

function withReader(cost: Host['main'], readerCpu: number): Host['main'] {
  return { ...cost, perGuestByte: cost.perGuestByte + readerCpu };
}
