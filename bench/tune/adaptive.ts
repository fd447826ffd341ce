// Adaptive mode on a link that changes, and the cost of its controller: `npm run bench -- adaptive`. The links are tc token
// buckets between two network namespaces (root only); sender and receiver have one CPU each. For links with a constant
// rate, bench/tune/cases.ts with `--also=--adaptive` compares it with a sweep of fixed settings.

import { setTimeout as sleep } from 'node:timers/promises';

import { median } from 'simple-statistics';

import { createNetwork, type Network } from '../../lab/network.js';
import { mixed, repeated } from '../support/files.js';
import { Command, ramferry } from '../../lab/command.js';
import { run } from '../../lab/processes.js';
import { type BenchContext, type Cell, round, type Suite } from '../support/suite.js';
import { listening, within } from '../xapi/zstd-pipeline.js';

const SENDER_CPU = '0';
const RECEIVER_CPU = '1';
const PORT = 9000;

interface Trip {
  /** Seconds of data flowing. */
  readonly seconds: number;
  readonly cpu: number;
  readonly switches: number;
}

interface Summary {
  readonly 'total-time': number;
  readonly 'setup-time': number;
  readonly 'cpu-seconds': number;
  readonly adaptive?: { readonly switches: readonly unknown[] };
}

async function transfer(network: Network, file: string, options: readonly string[]): Promise<Trip> {
  const address = `0.0.0.0:${PORT}`;
  const receive = ramferry('receive', '--quiet', `tcp-listen:${address}`, '/dev/null');
  const receiver = new Command(within(network.destination, RECEIVER_CPU, receive));
  await listening(network, PORT);
  const send = ramferry('send', '--json', '--quiet', ...options, file, `tcp:${network.address}:${PORT}`);
  try {
    const { stdout } = await run(within(network.source, SENDER_CPU, send));
    const summary = JSON.parse(stdout.trim().split('\n').at(-1)!) as Summary;
    return {
      seconds: (summary['total-time'] - summary['setup-time']) / 1e3,
      cpu: summary['cpu-seconds'],
      switches: summary.adaptive?.switches.length ?? 0,
    };
  } finally {
    await receiver.ended;
  }
}

/** Fixed zstd levels that are compared with adaptive mode on a link that changes. */
const LEVELS = [-20, -10, -5, -1, 1, 3, 7, 9];
const CONTENDERS: readonly (readonly [name: string, ...options: string[]])[] = [
  ['adaptive', '--adaptive'],
  ...LEVELS.map((level) => [`zstd ${level}`, '--codec', 'zstd', `--compress-level=${level}`] as const),
  ['none', '--codec', 'none', '--compress-level', '1'],
];

/** Case `changing`: the link changes from 3 Gbit/s to 100 Mbit/s and back. */
const CHANGING = { name: 'changing', fast: '3gbit', slow: '100mbit', seconds: 4, size: 6144 } as const;

/** Measures the guest memory per second that a transfer carried on the slow link, and after the link was fast again. */
async function changing(context: BenchContext): Promise<void> {
  const { fast, slow, seconds, size, name } = CHANGING;
  const file = mixed(context.image, size * 2 ** 20, context.scratch);
  const network = createNetwork(fast);
  const rows: Cell[][] = [];
  try {
    for (const [who, ...options] of CONTENDERS) {
      network.change(fast);
      const receive = ramferry('receive', '--quiet', `tcp-listen:0.0.0.0:${PORT}`, '/dev/null');
      const receiver = new Command(within(network.destination, RECEIVER_CPU, receive));
      await listening(network, PORT);
      const send = ramferry('send', '--json', ...options, file, `tcp:${network.address}:${PORT}`);
      const limit = String(4 * seconds + 1);
      const sender = new Command(within(network.source, SENDER_CPU, ['timeout', limit, ...send]));
      const ended = Promise.all([sender.ended, receiver.ended]);
      // The clock starts with the first data, which the first status line shows.
      await sender.line('status').catch(() => undefined);
      await sleep(seconds * 1e3);
      network.change(slow);
      await sleep(seconds * 1e3);
      network.change(fast);
      const [{ stdout }] = await ended;
      rows.push([who, ...phases(stdout.toString().trim().split('\n'), seconds * 1e3)]);
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

/** Rates of the three phases in MB/s, from the status lines. @param length milliseconds of a phase */
function phases(lines: readonly string[], length: number): number[] {
  const all = lines.flatMap((line): Status[] => {
    try {
      const status = JSON.parse(line) as Status;
      return status.message_type === 'status' ? [status] : [];
    } catch {
      return []; // a line that was cut off at the end of the run
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

/** Measures the controller's own processor time: adaptive mode that stays with one candidate, beside that candidate fixed. */
async function ownCost(context: BenchContext): Promise<void> {
  const rows: Cell[][] = [];
  for (const [rate, codec, level, size] of [
    ['none', 'none', 1, 4096],
    ['300mbit', 'zstd', 3, 768],
  ] as const) {
    const file = repeated(context.image, size * 2 ** 20, context.scratch);
    const network = createNetwork(rate);
    const runs: Record<'adaptive' | 'fixed', Trip[]> = { adaptive: [], fixed: [] };
    // Both take chunks of one size, since adaptive mode has another default.
    const both = ['--chunk-size=2MiB'];
    const ways = {
      adaptive: [...both, '--adaptive', ...(codec === 'none' ? [] : [`--compress-level=${level}`])],
      fixed: [...both, '--codec', codec, `--compress-level=${level}`],
    };
    try {
      for (let pair = 0; pair < PAIRS; pair++) {
        for (const way of pair % 2 === 0
          ? (['adaptive', 'fixed'] as const)
          : (['fixed', 'adaptive'] as const)) {
          runs[way].push(await transfer(network, file, ways[way]));
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
  summary: "the adaptive mode while the link changes, and its controller's own cost",
  cases: [CHANGING.name, 'cost'],
  run: async (context) => {
    if (context.wants(CHANGING.name)) await changing(context);
    if (context.wants('cost')) await ownCost(context);
  },
};
