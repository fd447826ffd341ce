// Runs the recommendation and its neighbours for real: the commands `send` and `receive` over the loopback interface, limited to the
// link's rate. Returns predicted against measured within a bounded time. The prediction is for the very transfers that are
// run: this image, both sides on this host, sharing its processors or pinned to some of them.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { allowedCpus } from '../../os/processor/cpus.js';
import type { Measurements } from '../measure/measurements.js';
import { timeTransfer } from '../measure/commands.js';
import { EngineChild } from '../measure/engine.js';
import { flagList } from '../advice/flags.js';
import { type StretchCost, predict, type Route, type Together } from '../model/model.js';
import { type Contender, contenders } from '../advice/neighbours.js';
import type { Writer } from '../../options/amounts.js';
import { allowedProcessors, type Placement, placementOf } from '../advice/placement.js';
import type { Choice, Table } from '../advice/recommend.js';
import { REGION_BYTES } from '../measure/region.js';
import type { Verification, VerifiedRun } from '../advice/verification.js';
import { writeMixture } from './verify-image.js';
import { GIB } from '../../units.js';

/** After this many times the allowed time, settings without a run are left out. */
const ENOUGH = 2;
/** Seconds that the recommended transfer should take; less where the others would take too long. */
const RUN_SECONDS = 4;
const PASSES = 3;
/** Bytes of the image: more than any sample, and no burden on the file system for temporaries. */
const MOST_BYTES = GIB;

export interface VerifyOptions {
  readonly measurements: Measurements;
  readonly table: Table;
  readonly best: Choice;
  readonly choices: readonly Choice[];
  /** As the recommendation assumed it. */
  readonly route: Route;
  /** Seconds that the reader of the restored bytes needs for a byte on this host. */
  readonly takerPerByte: number;
  /** Descriptor that regions are read from. */
  readonly fd: number;
  readonly scratch: string;
  /** Milliseconds that the transfers may take; the first run of each setting is finished all the same. */
  readonly time: number;
  readonly writer: Writer;
  /** As given by the user. */
  readonly compressCpus: number | undefined;
  readonly decompressCpus: number | undefined;
  readonly zstdBinding?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((step: string, share: number) => void) | undefined;
}

/** @throws ERR_INTERNAL when a transfer fails */
export async function verify(options: VerifyOptions): Promise<Verification> {
  const started = performance.now();
  const { measurements, best, choices, route, fd, scratch } = options;
  const placement = placementOf({
    compressCpus: options.compressCpus,
    decompressCpus: options.decompressCpus,
    processors: allowedProcessors(),
    usable: allowedCpus(),
    canPin: spawnSync('taskset', ['--version']).status === 0,
  });
  const here = routeHere(route, placement, options.takerPerByte);
  const settings = contenders(best, choices, here);
  const file = join(scratch, 'verify');
  const slots = slotsFor(settings, options, here);
  const { bytes, counts } = writeMixture(file, measurements.regions, fd, slots);
  const expected = settings.map((each) => expect(each, options, here, counts));
  try {
    const times = await run(settings, file, placement, options, started);
    return {
      placement,
      bytes,
      ...(route.linkRate === Infinity ? {} : { linkRate: route.linkRate }),
      runs: settings.flatMap(({ role, settings: each }, index): VerifiedRun[] => {
        const runs = times[index]!;
        if (runs.length === 0) return [];
        return [{ role, settings: each, predicted: expected[index]!, measured: median(runs), runs }];
      }),
      took: Math.round(performance.now() - started),
    };
  } finally {
    fs.rmSync(file, { force: true });
  }
}

/** The route from this host to itself. */
export function routeHere(route: Route, placement: Placement, takerPerByte: number): Route {
  if (placement.kind === 'pinned') {
    return {
      ...route,
      sender: { ...route.sender, cpus: placement.sender.length },
      receiver: { ...route.receiver, cpus: placement.receiver.length },
    };
  }
  const { cpus } = placement;
  const together: Together = { cpus, scaling: route.sender.scaling, perGuestByte: takerPerByte };
  return {
    ...route,
    sender: { ...route.sender, cpus: Math.min(cpus, route.sender.cpus) },
    receiver: { ...route.receiver, cpus: Math.min(cpus, route.receiver.cpus) },
    together,
  };
}

function expect(
  { settings }: Contender,
  { table }: VerifyOptions,
  here: Route,
  counts: readonly number[] | undefined,
): number {
  const stretches: readonly StretchCost[] = table.stretches(settings);
  const weighted =
    counts === undefined ? stretches : stretches.map((stretch, at) => ({ ...stretch, weight: counts[at]! }));
  return predict(weighted, settings.threads, here).seconds;
}

/** Regions in the image: as many as make the transfers long enough, and short enough to be run twice in the time. */
function slotsFor(settings: readonly Contender[], options: VerifyOptions, here: Route): number {
  const { best, measurements, scratch } = options;
  const guest = measurements.regions.reduce((sum, { weight, length }) => sum + weight * length, 0);
  const flow = settings.map((each) => (expect(each, options, here, undefined) - here.startUp) / guest);
  const all = 2 * flow.reduce((sum, each) => sum + each, 0);
  const left = options.time / 1e3 - 2 * settings.length * here.startUp;
  const { bavail, bsize } = fs.statfsSync(scratch);
  const bytes = Math.min(
    RUN_SECONDS * best.prediction.guestRate,
    Math.max(1, left) / all,
    MOST_BYTES,
    (bavail * bsize) / 2,
  );
  return Math.max(1, Math.round(bytes / REGION_BYTES));
}

async function run(
  settings: readonly Contender[],
  file: string,
  placement: Placement,
  options: VerifyOptions,
  started: number,
): Promise<number[][]> {
  const { route, writer, scratch, signal, onProgress } = options;
  const taker = writer === 'socket' ? new EngineChild() : undefined;
  const received = join(scratch, 'verified');
  const times: number[][] = settings.map(() => []);
  try {
    let output = writer === 'file' ? received : '/dev/null';
    if (taker !== undefined) {
      await taker.expect('ready');
      taker.ask({ kind: 'drain' });
      output = (await taker.expect('listening')).address;
    }
    const link = route.linkRate === Infinity ? [] : ['--max-bandwidth', `${Math.round(route.linkRate)}B`];
    const binding = options.zstdBinding === undefined ? [] : ['--zstd-binding', options.zstdBinding];
    const passed = (): number => performance.now() - started;
    for (let pass = 0; pass < PASSES; pass++) {
      for (const [index, { settings: each }] of settings.entries()) {
        if (passed() > options.time * (pass === 0 ? ENOUGH : 1)) return times;
        signal?.throwIfAborted();
        onProgress?.(
          `verifying ${each.codec} ${each.level}`,
          (pass * settings.length + index) / (PASSES * settings.length),
        );
        const flags = flagList(each, false);
        times[index]!.push(
          await timeTransfer({
            file,
            output,
            send: { args: [...flags.send, ...link, ...binding], prefix: pin(placement, 'sender') },
            receive: { args: [...flags.receive, ...binding], prefix: pin(placement, 'receiver') },
            signal,
          }),
        );
      }
    }
    return times;
  } finally {
    await taker?.close();
    fs.rmSync(received, { force: true });
  }
}

function pin(placement: Placement, side: 'sender' | 'receiver'): string[] {
  return placement.kind === 'shared' ? [] : ['taskset', '-c', placement[side].join(',')];
}
