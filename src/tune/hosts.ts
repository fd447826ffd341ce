// The two hosts and the route between them, as `tune` measures them: the engine's own cost, how threads scale, and what a
// probe says of the other host. Takes options and a sample, returns the model's hosts; recommends nothing.

import { allowedCpus } from '../os/processor/cpus.js';
import type { ResolvedTuneOptions } from './advice/options.js';
import { BUDGET_MS } from '../options/rows/tune.js';
import { threadSteps } from './advice/recommend.js';
import type { Probed } from './advice/result.js';
import type { TuneInput } from './measure/input.js';
import { measureScaling } from './measure/scaling.js';
import { REFERENCE } from './measure/measurements.js';
import { mainCost, measureSettings, type Settings } from './measure/overhead.js';
import { payloadRate } from './model/link.js';
import type { Host, Route } from './model/model.js';
import type { Scaling } from './model/scaling.js';
import { probe } from './probe/client.js';
import { selfSpeed } from './probe/self-speed.js';

/** Shares of the budget: the engine's overhead, and the scaling over threads. */
const OVERHEAD_SHARE = 0.15;
const SCALING_SHARE = 0.15;
/** When the first pass over the engine took this share of the budget, there is no second one. */
const LATEST_SHARE = 0.4;
/** After this share of the budget, measuring the engine is given up, but not before the shortest budget. */
const GIVE_UP_SHARE = 0.5;
/** Milliseconds of budget from which on the engine is measured with images of the usual size. */
const USUAL_BUDGET = 10_000;

/** What a probe says of the link and of the other host. */
export interface OtherHost {
  readonly probed: Probed;
  readonly scaling: Scaling;
}

/** The measured hosts. */
export interface Hosts {
  /** The sender here, the receiver on its own host, no start-up time yet. */
  readonly route: Route;
  /** The receiver, if it ran here. */
  readonly local: Host;
  readonly engine: Settings;
}

/** Asks the probe that the options name; undefined without one. */
export async function askProbe(settings: ResolvedTuneOptions): Promise<OtherHost | undefined> {
  const { signal, zstdBinding, onProgress } = settings;
  if (settings.probe === undefined) return undefined;
  onProgress?.('the other host', 0);
  const { linkRate, roundTrip, speed } = await probe(settings.probe, { signal });
  const own = await selfSpeed({ time: 0, threads: 1, zstdBinding });
  const slowness = speed.decodePerByte / own.decodePerByte;
  return { probed: { linkRate, roundTrip, cpus: speed.cpus, slowness }, scaling: speed.scaling };
}

/**
 * Measures this host, and puts the other one beside it.
 * @param begun when the budget began, by performance.now()
 */
export async function measureHosts(
  settings: ResolvedTuneOptions,
  input: TuneInput,
  begun: number,
  there: OtherHost | undefined,
): Promise<Hosts> {
  const engine = await measureEngine(settings, input, begun);
  settings.onProgress?.('threads', (performance.now() - begun) / settings.budget);
  const scaling = await measureScaling({
    regions: input.sample.regions,
    fd: input.fd,
    threads: threadSteps(mostThreads(settings, there !== undefined)),
    coding: REFERENCE,
    deadline: performance.now() + settings.budget * SCALING_SHARE,
    zstdBinding: settings.zstdBinding,
  });
  const main = mainCost(engine.costs, 'sender');
  const sender: Host = {
    cpus: settings.compressCpus,
    main: { ...main, perGuestByte: main.perGuestByte + input.sample.readerCpu },
    scaling: scaling.compress,
  };
  const local: Host = {
    cpus: settings.decompressCpus ?? settings.compressCpus,
    main: mainCost(engine.costs, 'receiver'),
    scaling: scaling.decompress,
  };
  const receiver = there === undefined ? local : remote(local, settings.decompressCpus, there);
  const linkRate = there?.probed.linkRate ?? payloadRate(settings.bandwidth);
  return { route: { sender, receiver, linkRate, startUp: 0 }, local, engine };
}

function measureEngine(settings: ResolvedTuneOptions, input: TuneInput, begun: number): Promise<Settings> {
  const { budget, writer, signal, zstdBinding } = settings;
  settings.onProgress?.('the engine', 0);
  return measureSettings({
    file: input.part.file,
    writer,
    scratch: input.scratch,
    deadline: performance.now() + budget * OVERHEAD_SHARE,
    latest: begun + budget * LATEST_SHARE,
    giveUp: begun + Math.max(BUDGET_MS.min, budget * GIVE_UP_SHARE),
    imageShare: Math.min(1, budget / USUAL_BUDGET),
    signal,
    zstdBinding,
  });
}

/** Threads up to which the scaling is measured: no more than this host has processors. */
function mostThreads({ compressCpus, decompressCpus }: ResolvedTuneOptions, isProbed: boolean): number {
  return Math.min(allowedCpus(), Math.max(compressCpus, isProbed ? 1 : (decompressCpus ?? 1)));
}

/** The receiver on the probed host. */
function remote(local: Host, cpus: number | undefined, { probed, scaling }: OtherHost): Host {
  return { ...local, cpus: cpus ?? probed.cpus, scaling, slowness: probed.slowness };
}
