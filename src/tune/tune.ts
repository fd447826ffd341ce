// `tune`: from a guest's memory and a link to settings. Draws a sample, measures the hosts and the codecs, and asks the model.
// Ends within its budget and a few seconds. On a busy host it takes longer and says so; it recommends nothing that the
// measurements do not support. Leaves nothing behind.

import { watchHostLoad } from '../os/processor/host-load.js';
import type { TuneOptions } from '../options/rows/tune.js';
import { describe, type Findings } from './advice/describe.js';
import { type ResolvedTuneOptions, resolveTuneOptions } from './advice/options.js';
import { type Choice, recommended, Table } from './advice/recommend.js';
import type { TuneResult } from './advice/result.js';
import { askProbe, type Hosts, measureHosts } from './hosts.js';
import { candidates, principal, variants } from './measure/candidates.js';
import { type Coding, CodecRig } from './measure/codec-rig.js';
import { openTuneInput, type TuneInput } from './measure/input.js';
import { measure } from './measure/measure.js';
import { type Measurements, REFERENCE } from './measure/measurements.js';
import { predict, type Route } from './model/model.js';
import { startUp } from './model/start-up.js';
import { verify } from './verify/verify.js';

/** Milliseconds of the budget that are left for the model. */
const RESERVE_MS = 400;
/** Share of the budget that codings get at least, however long the engine took. */
const CODINGS_SHARE = 0.3;
/** How often a transfer waits for the other side: connecting, its hello, its result. */
const ROUND_TRIPS = 3;

/**
 * From a guest's memory and a link to settings: samples, measures this host, and predicts. Ends within its budget and a few seconds.
 * @throws RamferryError ERR_OPTION_INVALID, ERR_INPUT_…, and ERR_LINK_… with a probe
 * @example
 * ```ts
 * import { tune } from 'ramferry';
 *
 * const { flags, recommended } = await tune({ input: 'guest.ram', bandwidth: '1gbit', budget: '3s' });
 * console.log(flags.send, recommended.seconds);
 * ```
 */
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

/** Measures, recommends, and verifies where that is asked for. */
async function advise(
  settings: ResolvedTuneOptions,
  given: TuneOptions,
  input: TuneInput,
  started: number,
): Promise<TuneResult> {
  const begun = performance.now();
  const hostLoad = watchHostLoad();
  const there = await askProbe(settings);
  const hosts = await measureHosts(settings, input, begun, there);
  const measurements = await measureCodings(settings, input, hosts.route, begun);
  const setUp = setUpSeconds(measurements, input, hosts);
  const roundTrips = ROUND_TRIPS * (there?.probed.roundTrip ?? 0);
  const route: Route = { ...hosts.route, startUp: setUp + roundTrips };
  const table = new Table(measurements);
  const choices = table.choices(route);
  const best = recommended(choices);
  const findings: Findings = {
    ...{ settings, input, measurements, route, table, choices, best },
    probed: there?.probed,
    load: hostLoad(),
    engine: hosts.engine.complete,
  };
  const result = await describe(findings, performance.now() - started);
  if (!settings.verify) return result;
  const here: Route = { ...route, receiver: hosts.local, startUp: setUp };
  const measured: Measured = { measurements, table, choices, best, hosts };
  return { ...result, verified: await verifyHere(settings, given, input, here, measured) };
}

/** Seconds that a transfer takes here besides the flow of data, with the probe's round trips left out. */
function setUpSeconds(measurements: Measurements, input: TuneInput, { route, local, engine }: Hosts): number {
  const part = measurements.stretches(REFERENCE).slice(0, input.part.regions);
  return startUp(engine.command, part, { ...route, receiver: local });
}

/** Measures codings on the sample for the rest of the budget; the route says which are worth more time. */
async function measureCodings(
  { budget, zstdBinding, signal, onProgress }: ResolvedTuneOptions,
  input: TuneInput,
  route: Route,
  begun: number,
): Promise<Measurements> {
  const threads = { compress: route.sender.cpus, decompress: route.receiver.cpus };
  const seconds = (found: Measurements, coding: Coding, on: Route): number =>
    predict(found.stretches(coding), threads, on).seconds;
  const rig = new CodecRig({ fd: input.fd, threads: 1, zstdBinding });
  try {
    return await measure({
      regions: input.sample.regions,
      rig,
      candidates: candidates(),
      always: principal(),
      variants,
      deadline: Math.max(begun + budget - RESERVE_MS, performance.now() + budget * CODINGS_SHARE),
      judge: (found, coding) => seconds(found, coding, route),
      floor: (found, coding) => seconds(found, coding, { ...route, linkRate: Infinity }),
      onProgress: (coding, share) => onProgress?.(`${coding.codec} ${coding.level}`, share),
      signal,
    });
  } finally {
    await rig.close();
  }
}

/** What the verification needs of the measurements. */
interface Measured {
  readonly measurements: Measurements;
  readonly table: Table;
  readonly choices: readonly Choice[];
  readonly best: Choice;
  readonly hosts: Hosts;
}

function verifyHere(
  settings: ResolvedTuneOptions,
  given: TuneOptions,
  input: TuneInput,
  route: Route,
  { measurements, table, choices, best, hosts }: Measured,
): ReturnType<typeof verify> {
  return verify({
    ...{ measurements, table, best, choices, route },
    takerPerByte: hosts.engine.takerPerByte,
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
}
