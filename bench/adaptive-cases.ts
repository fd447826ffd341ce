// Adaptive mode beside a sweep of fixed candidates, over links of many speeds: `npm run bench -- adaptive`. The links
// are tc token buckets between two network namespaces (root only); sender and receiver have one CPU each.
//
// A cell first runs every candidate once (a hopeless one is ended when it has taken twice the best time), then the best
// few, the adaptive mode and xapi's pipeline in turns, and compares medians.

import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { createNetwork, type Network } from './live-network.js';
import { repeated } from './files.js';
import { ramferry, run, start } from './processes.js';
import { type BenchContext, type Cell, median, round, type Suite } from './suite.js';
import { listening, runPipeline, within } from './xapi-pipeline.js';

interface Case {
  readonly name: string;
  /** As tc writes it. */
  readonly rate: string;
  /** MiB of guest memory, so that the best run takes 2 to 10 s. */
  readonly size: number;
}

const CASES: readonly Case[] = [
  { name: '30mbit', rate: '30mbit', size: 64 },
  { name: '100mbit', rate: '100mbit', size: 224 },
  { name: '300mbit', rate: '300mbit', size: 640 },
  { name: '1gbit', rate: '1gbit', size: 1792 },
  { name: '3gbit', rate: '3gbit', size: 2560 },
  { name: 'unlimited', rate: 'none', size: 4096 },
];

/** In this order a good one comes early, and hopeless ones end soon. */
const ZSTD_LEVELS = [1, -1, 3, -5, -10, -20, -50, 2, 5, 7, 9];
const CANDIDATES: readonly (readonly [name: string, ...options: string[]])[] = [
  ...ZSTD_LEVELS.map((level) => [`zstd ${level}`, '--codec', 'zstd', `--compress-level=${level}`] as const),
  ['none', '--codec', 'none', '--compress-level', '1'],
  ['lz4', '--codec', 'lz4', '--compress-level', '1'],
];

const ADAPTIVE = 'adaptive';
const PIPELINE = "xapi's pipeline";
/** Candidates that are run again, and how often. */
const FINALISTS = 1;
const TURNS = 2;
/** A candidate is hopeless when it takes so many times as long as the best so far. */
const HOPELESS = 1.3;
const SENDER_CPU = '0';
const RECEIVER_CPU = '1';
const PORT = 9000;

interface Trip {
  /** Seconds, from the start of the sender's process to the end of both. */
  readonly wall: number;
  /** Seconds of data flowing; the process's wall time where that cannot be told. */
  readonly seconds: number;
  readonly cpu: number;
  readonly ratio: number;
  readonly switches: number;
}

interface Summary {
  readonly 'total-time': number;
  readonly 'setup-time': number;
  readonly 'cpu-seconds': number;
  readonly ram: { readonly transferred: number; readonly total: number };
  readonly adaptive?: { readonly switches: readonly unknown[] };
}

async function transfer(
  network: Network,
  file: string,
  options: readonly string[],
  limit: number,
): Promise<Trip | undefined> {
  const address = `0.0.0.0:${PORT}`;
  const receive = ramferry('receive', '--quiet', `tcp-listen:${address}`, '/dev/null');
  const receiver = start(within(network.destination, RECEIVER_CPU, receive));
  await listening(network, PORT);
  const send = ramferry('send', '--json', '--quiet', ...options, file, `tcp:${network.address}:${PORT}`);
  const bounded = ['timeout', String(Math.ceil(limit)), ...send];
  const ended = receiver.ended.catch(() => undefined);
  try {
    const { wall, stdout } = await run(within(network.source, SENDER_CPU, bounded));
    const summary = JSON.parse(stdout.trim().split('\n').at(-1)!) as Summary;
    return {
      wall,
      seconds: (summary['total-time'] - summary['setup-time']) / 1e3,
      cpu: summary['cpu-seconds'],
      ratio: summary.ram.total / summary.ram.transferred,
      switches: summary.adaptive?.switches.length ?? 0,
    };
  } catch (thrown) {
    if (limit < Infinity && String(thrown).includes('ended with 124')) return undefined;
    throw thrown;
  } finally {
    await ended;
  }
}

async function pipeline(network: Network, file: string): Promise<Trip> {
  const cpus = { senderCpu: SENDER_CPU, receiverCpu: RECEIVER_CPU };
  const { wall, cpu } = await runPipeline({ network, file, port: PORT, ...cpus });
  return { wall, seconds: wall, cpu, ratio: NaN, switches: 0 };
}

async function cell(context: BenchContext, { name, rate, size }: Case): Promise<void> {
  const file = repeated(context.image, size * 2 ** 20, context.scratch);
  const network = createNetwork(rate);
  const trips = new Map<string, Trip[]>();
  const add = (who: string, trip: Trip | undefined): void => {
    if (trip !== undefined) trips.set(who, [...(trips.get(who) ?? []), trip]);
  };
  const seconds = (who: string): number => median(trips.get(who)!.map((trip) => trip.seconds));
  try {
    let best = Infinity;
    for (const [who, ...options] of CANDIDATES) {
      const trip = await transfer(network, file, options, HOPELESS * best + 1);
      add(who, trip);
      best = Math.min(best, trip?.seconds ?? Infinity);
    }
    const finalists = [...trips.keys()].sort((a, b) => seconds(a) - seconds(b)).slice(0, FINALISTS);
    for (let turn = 0; turn < TURNS; turn++) {
      for (const who of finalists) {
        const [, ...options] = CANDIDATES.find(([candidate]) => candidate === who)!;
        add(who, await transfer(network, file, options, Infinity));
      }
      add(ADAPTIVE, await transfer(network, file, ['--adaptive'], Infinity));
      add(PIPELINE, await pipeline(network, file));
    }
  } finally {
    network.remove();
  }
  const fixed = [...trips.keys()].filter((who) => who !== ADAPTIVE && who !== PIPELINE);
  const best = fixed.sort((a, b) => seconds(a) - seconds(b))[0]!;
  context.report({
    title: `Adaptive mode at ${name}`,
    columns: ['who', 'runs', 'seconds', 'over the best', 'CPU s', 'ratio', 'switches', 'process, s'],
    rows: [ADAPTIVE, ...fixed, PIPELINE].map((who): Cell[] => {
      const each = trips.get(who)!;
      const of = (what: keyof Trip): number => median(each.map((trip) => trip[what]));
      return [
        who,
        each.length,
        round(of('seconds'), 2),
        round(of('seconds') / seconds(best), 3),
        round(of('cpu'), 2),
        round(of('ratio'), 2),
        round(of('switches')),
        round(of('wall'), 2),
      ];
    }),
    note: `${size} MiB (${round(statSync(context.image).size / 2 ** 20)} MiB repeated or cut), one CPU for each side, over tcp to /dev/null; candidates that took much longer than the best are left out`,
  });
}

/** The link changes from 3 Gbit/s to 100 Mbit/s and back; how long each half of the guest took, beside fixed candidates. */
const CHANGING = { name: 'changing', fast: '3gbit', slow: '100mbit', seconds: 4, size: 6144 } as const;

/** Bytes of guest memory that a transfer moved while the link was slow, and while it was fast again, per second. */
async function changing(context: BenchContext): Promise<void> {
  const { fast, slow, seconds, size, name } = CHANGING;
  const file = repeated(context.image, size * 2 ** 20, context.scratch);
  const network = createNetwork(fast);
  const rows: Cell[][] = [];
  try {
    for (const [who, ...options] of [
      [ADAPTIVE, '--adaptive'],
      ...CANDIDATES.filter(([candidate]) => /^(none|zstd (-20|-10|-5|-1|1|3|7|9))$/.test(candidate)),
    ] as const) {
      network.change(fast);
      const receive = ramferry('receive', '--quiet', `tcp-listen:0.0.0.0:${PORT}`, '/dev/null');
      const receiver = start(within(network.destination, RECEIVER_CPU, receive));
      await listening(network, PORT);
      const send = ramferry('send', '--json', ...options, file, `tcp:${network.address}:${PORT}`);
      const limit = String(4 * seconds + 1);
      const sender = start(within(network.source, SENDER_CPU, ['timeout', limit, ...send]));
      const ended = Promise.allSettled([sender.ended, receiver.ended]);
      // The clock starts when data flows.
      await sender.said('"status"');
      await sleep(seconds * 1e3);
      network.change(slow);
      await sleep(seconds * 1e3);
      network.change(fast);
      const [{ value }] = (await ended) as [{ value?: { stdout: string } }, unknown];
      const lines = (value?.stdout ?? sender.output()).trim().split('\n');
      rows.push([who, ...phases(lines, seconds * 1e3)]);
    }
  } finally {
    network.remove();
  }
  context.report({
    title: `Adaptive mode while the link changes (${name})`,
    columns: ['who', `${fast}, MB/s`, `${slow}, MB/s`, `${fast} again, MB/s`],
    rows,
    note: `guest memory per second in ${seconds} s of each; the first second after a change is counted`,
  });
}

interface Status {
  readonly message_type: string;
  readonly elapsed: number;
  readonly 'guest-bytes': number;
}

/** Rates in the three stretches of so many milliseconds, from the status lines; MB/s. */
function phases(lines: readonly string[], length: number): number[] {
  const all = lines.flatMap((line): Status[] => {
    try {
      const status = JSON.parse(line) as Status;
      return status.message_type === 'status' ? [status] : [];
    } catch {
      return []; // cut off when the time was over
    }
  });
  const start = all[0]?.elapsed ?? 0;
  const at = (time: number): Status | undefined =>
    all.filter(({ elapsed }) => elapsed <= start + time).at(-1);
  return [0, 1, 2].map((phase) => {
    const from = at(phase * length);
    const to = at((phase + 1) * length);
    if (from === undefined || to === undefined || to.elapsed <= from.elapsed) return NaN;
    return round((to['guest-bytes'] - from['guest-bytes']) / (to.elapsed - from.elapsed) / 1e3);
  });
}

const PAIRS = 7;

/** The controller's own processor time: where it stays with one candidate, beside that candidate fixed. */
async function ownCost(context: BenchContext): Promise<void> {
  const rows: Cell[][] = [];
  for (const [rate, codec, level, size] of [
    ['none', 'none', 1, 4096],
    ['300mbit', 'zstd', 3, 768],
  ] as const) {
    const file = repeated(context.image, size * 2 ** 20, context.scratch);
    const network = createNetwork(rate);
    const runs: Record<'adaptive' | 'fixed', Trip[]> = { adaptive: [], fixed: [] };
    const ways = {
      adaptive: ['--adaptive', ...(codec === 'none' ? [] : [`--compress-level=${level}`])],
      fixed: ['--codec', codec, `--compress-level=${level}`],
    };
    try {
      for (let pair = 0; pair < PAIRS; pair++) {
        for (const way of pair % 2 === 0
          ? (['adaptive', 'fixed'] as const)
          : (['fixed', 'adaptive'] as const)) {
          runs[way].push((await transfer(network, file, ways[way], Infinity))!);
        }
      }
    } finally {
      network.remove();
    }
    const ratio = (what: 'cpu' | 'seconds'): number =>
      round(median(runs.adaptive.map((each, pair) => each[what] / runs.fixed[pair]![what])), 3);
    rows.push([
      rate,
      `${codec} ${level}`,
      ratio('cpu'),
      ratio('seconds'),
      median(runs.adaptive.map((each) => each.switches)),
    ]);
  }
  context.report({
    title: "The controller's own cost",
    columns: ['link', 'fixed', 'CPU over fixed', 'time over fixed', 'switches'],
    rows,
    note: `median of ${PAIRS} pairs that take turns`,
  });
}

export const adaptive: Suite = {
  name: 'adaptive',
  summary: 'adaptive mode beside fixed candidates and xapi, over links of 30 Mbit/s to no limit',
  cases: [...CASES.map(({ name }) => name), CHANGING.name, 'cost'],
  run: async (context) => {
    for (const each of CASES) if (context.wants(each.name)) await cell(context, each);
    if (context.wants(CHANGING.name)) await changing(context);
    if (context.wants('cost')) await ownCost(context);
  },
};
