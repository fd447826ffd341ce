// Adaptive mode in a transfer that ends within two seconds, beside fixed settings: `npm run bench -- adaptive-short --image FILE`.
// The link is a tc token bucket between two network namespaces (root only); sender and receiver have one CPU each. All contenders
// take turns. Adaptive mode runs without history, with that of its own runs, and with one of a link ten times as fast.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { Command, ramferry } from '../../lab/command.js';
import { createNetwork, type Network } from '../../lab/network.js';
import { run } from '../../lab/processes.js';
import { MIB } from '../../src/units.js';
import { cut } from '../support/files.js';
import { type BenchContext, type Cell, round, type Suite } from '../support/suite.js';
import { listening, within } from '../xapi/zstd-pipeline.js';

const SENDER_CPU = '0';
const RECEIVER_CPU = '1';
const PORT = 9000;
const DEFAULT_MIB = 256;
const TURNS = 5;

/** Cases by name: the link's rate. */
const CASES: Readonly<Record<string, string>> = { '1gbit': '1gbit', '100mbit': '100mbit' };
/** Ten times the rate of each. */
const TENFOLD: Readonly<Record<string, string>> = { '1gbit': '10gbit', '100mbit': '1gbit' };

/** Fixed settings near the best ones on each link. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  '1gbit': ['-5', '-3', '-1', '1', '2'],
  '100mbit': ['1', '3', '5', '6', '8'],
};

interface Contender {
  readonly name: string;
  readonly options: readonly string[];
  /** Directory that takes the place of the user's cache directory; absent = no history. */
  readonly cache?: string;
}

function contenders(link: string, caches: string): Contender[] {
  const history = (name: string): string => join(caches, `${link}-${name}`);
  return [
    ...FIXED[link]!.map((level) => ({
      name: `zstd ${level}`,
      options: [`--compress-level=${level}`],
    })),
    { name: 'adaptive, no history', options: [] },
    { name: 'adaptive, history', options: [], cache: history('own') },
    { name: 'adaptive, link ten times slower than remembered', options: [], cache: history('tenfold') },
  ];
}

/** Seconds of the sender's command. */
async function transfer(network: Network, image: string, contender: Contender): Promise<number> {
  const receive = ramferry('receive', '--quiet', `tcp-listen:0.0.0.0:${PORT}`, '/dev/null');
  const receiver = new Command(within(network.destination, RECEIVER_CPU, receive));
  await listening(network, PORT);
  const { cache, options } = contender;
  const environment = cache === undefined ? [] : ['env', 'RAMFERRY_HISTORY=yes', `XDG_CACHE_HOME=${cache}`];
  const send = ramferry('send', '--quiet', ...options, image, `tcp:${network.address}:${PORT}`);
  try {
    return (await run(within(network.source, SENDER_CPU, [...environment, ...send]))).wall;
  } finally {
    await receiver.ended;
  }
}

async function measure(context: BenchContext, link: string): Promise<void> {
  const mib = Math.round((context.size ?? DEFAULT_MIB * MIB) / MIB);
  const image = cut(context.image, mib * MIB, join(context.scratch, `short-${link}.ram`));
  const all = contenders(link, context.scratch);
  for (const { cache } of all) if (cache !== undefined) mkdirSync(cache, { recursive: true });
  const network = createNetwork(CASES[link]!);
  const times = new Map<string, number[]>(all.map(({ name }) => [name, []]));
  try {
    for (const contender of all.filter(({ cache }) => cache !== undefined)) {
      await remember(network, image, link, contender);
    }
    for (let turn = 0; turn < TURNS; turn++) {
      for (const contender of turn % 2 === 0 ? all : [...all].reverse()) {
        // Each run of the last contender would correct what it remembers.
        if (contender.cache?.endsWith('tenfold') === true) await remember(network, image, link, contender);
        times.get(contender.name)!.push(await transfer(network, image, contender));
      }
    }
  } finally {
    network.remove();
  }
  report(context, `${mib} MiB, ${link}`, times);
}

/** Makes the history of a contender by a transfer whose figures do not count. */
async function remember(network: Network, image: string, link: string, contender: Contender): Promise<void> {
  const tenfold = contender.cache!.endsWith('tenfold');
  if (tenfold) network.change(TENFOLD[link]!);
  try {
    await transfer(network, image, contender);
  } finally {
    if (tenfold) network.change(CASES[link]!);
  }
}

function report(context: BenchContext, what: string, times: ReadonlyMap<string, readonly number[]>): void {
  const fixed = [...times].filter(([name]) => name.startsWith('zstd'));
  const [best, bestTimes] = fixed.reduce((one, other) => (median(other[1]) < median(one[1]) ? other : one));
  const rows = [...times].map(([name, seconds]): Cell[] => {
    const ratios = seconds.map((each, turn) => each / bestTimes[turn]!);
    return [
      name,
      round(median(seconds), 2),
      round(median(ratios), 3),
      `${round(Math.min(...ratios), 2)} to ${round(Math.max(...ratios), 2)}`,
    ];
  });
  context.report({
    title: `A short transfer: ${what}`,
    columns: ['who', 'seconds', 'over the best fixed', 'range'],
    rows,
    note: `medians of ${TURNS} turns, whole command; ratios within a turn; best fixed setting: ${best}`,
  });
}

export const adaptiveShort: Suite = {
  name: 'adaptive-short',
  summary: 'adaptive mode in a transfer of two seconds, without and with history, beside fixed settings',
  cases: Object.keys(CASES),
  run: async (context) => {
    for (const link of Object.keys(CASES)) if (context.wants(link)) await measure(context, link);
  },
};
