// `--connections N` where one connection is not enough: a long path on which each connection has a window, and two cables that one
// connection cannot use together. Beside it the cost of N connections where one would do. Codec none, so that the link is what is measured.

import { execFileSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { median } from 'simple-statistics';

import { Command, inNamespace, ramferry } from '../../lab/command.js';
import { DelayProxy } from '../../lab/delay-proxy.js';
import { makeTwoPaths } from '../../lab/two-paths.js';
import { canMakeNetwork } from '../../src/guest/network.js';
import type { JsonLine } from '../../src/os/process/command-process.js';
import { KIB, MIB } from '../../src/units.js';
import { repeated } from '../support/files.js';
import { type BenchContext, type Cell, round, type Suite } from '../support/suite.js';

const TURNS = 3;
/** The start of the processes and the first round trips lie before this share of the bytes. */
const START_SHARE = 0.05;
/** 100 ms there and back. */
const DELAY_MS = 50;
const WINDOW = MIB / 4;
const CABLE = '100mbit';
const DELAYED_BYTES = 48 * MIB;
const CABLED_BYTES = 96 * MIB;
const UNLIMITED_BYTES = 2048 * MIB;
const MEMORY_LIMIT = '256MiB';

interface Trip {
  /** Bytes a second at the receiver, without the start and the end. */
  readonly rate: number;
  /** Processor seconds of both processes. */
  readonly cpu: number;
  /** Most resident bytes of the sender and of the receiver. */
  readonly peaks: readonly [number, number];
}

interface Way {
  readonly connections: number;
  /** Where the receiver listens. */
  readonly listen: string;
  /** Address for the sender. @param port at which the receiver listens */
  readonly connect: (port: number) => Promise<string> | string;
  readonly namespaces?: readonly [string, string];
  readonly more?: readonly string[];
  /** Called when the sender runs. */
  readonly during?: () => Promise<void>;
}

/** A line of the receiver's progress. */
interface Seen {
  /** Milliseconds. */
  readonly at: number;
  /** Bytes from the link so far. */
  readonly bytes: number;
}

function steadyRate(seen: readonly Seen[], size: number): number {
  const [first, ...rest] = seen.filter(({ bytes }) => bytes > size * START_SHARE && bytes < size);
  const last = rest.at(-1);
  if (first === undefined || last === undefined) return NaN;
  return ((last.bytes - first.bytes) / (last.at - first.at)) * 1e3;
}

/** @throws Error when a process fails or the output differs from the input */
async function carry(file: string, output: string, way: Way): Promise<Trip> {
  const { connections, listen, connect, namespaces = [undefined, undefined], more = [], during } = way;
  const common = ['--json', '--connections', String(connections), ...more];
  const seen: Seen[] = [];
  const limits = ['--memory-limit', MEMORY_LIMIT];
  const receiver = new Command(
    inNamespace(namespaces[1], ramferry('receive', '--force', ...common, ...limits, listen, output)),
    { onLine: (line) => seen.push({ at: Number(line['elapsed']), bytes: Number(line['link-bytes']) }) },
  );
  const port = Number((await receiver.listening()).split(':').at(-1));
  const to = await connect(port);
  const sender = new Command(
    inNamespace(namespaces[0], ramferry('send', '--codec', 'none', ...common, ...limits, file, to)),
  );
  try {
    const ends = await Promise.all([sender.summary(), receiver.summary(), during?.()]);
    execFileSync('cmp', [file, output]);
    const [sent, received] = ends;
    const peak = (summary: JsonLine): number => Number(summary['peak-memory']);
    return {
      rate: steadyRate(seen, statSync(file).size),
      cpu: Number(sent['cpu-seconds']) + Number(received['cpu-seconds']),
      peaks: [peak(sent), peak(received)],
    };
  } finally {
    for (const each of [sender, receiver]) each.kill();
    rmSync(output, { force: true });
  }
}

/** Ways by name, in turns. @returns a row for each: name, MB/s, over the first, CPU s, over the first, memory of both sides */
async function rows(
  context: BenchContext,
  bytes: number,
  ways: Readonly<Record<string, Way>>,
): Promise<Cell[][]> {
  const file = repeated(context.image, bytes, context.scratch);
  const output = join(context.scratch, 'connections.out');
  const trips: Record<string, Trip[]> = {};
  for (let turn = 0; turn < TURNS; turn++) {
    const names = Object.keys(ways);
    for (const name of turn % 2 === 0 ? names : names.reverse())
      (trips[name] ??= []).push(await carry(file, output, ways[name]!));
  }
  const middle = (name: string, what: 'rate' | 'cpu'): number =>
    median(trips[name]!.map((trip) => trip[what]));
  const [first] = Object.keys(ways);
  return Object.keys(ways).map((name) => [
    name,
    round(middle(name, 'rate') / 1e6, 1),
    round(middle(name, 'rate') / middle(first!, 'rate'), 2),
    round(middle(name, 'cpu'), 2),
    round(middle(name, 'cpu') / middle(first!, 'cpu'), 2),
    ...[0, 1].map((side) => round(Math.max(...trips[name]!.map(({ peaks }) => peaks[side]!)) / MIB)),
  ]);
}

const COLUMNS = ['connections', 'MB/s', 'over one', 'CPU s', 'over one', 'sender MiB', 'receiver MiB'];
const TURNED = `codec none, both sides with --memory-limit ${MEMORY_LIMIT}, ${TURNS} turns, median; memory: the most of all turns; each output compared with its input`;

function throughProxy(proxies: DelayProxy[], connections: number): Way {
  return {
    connections,
    listen: 'tcp-listen:127.0.0.1:0',
    connect: async (port) => {
      const proxy = await DelayProxy.open({ host: '127.0.0.1', port }, { delay: DELAY_MS, window: WINDOW });
      proxies.push(proxy);
      return `tcp:127.0.0.1:${proxy.port}`;
    },
  };
}

async function delay(context: BenchContext): Promise<void> {
  const proxies: DelayProxy[] = [];
  const way = (connections: number): Way => throughProxy(proxies, connections);
  const losing: Way = {
    ...way(4),
    more: ['--reconnect', '20s'],
    during: async () => {
      const proxy = proxies.at(-1)!;
      while (proxy.carried < DELAYED_BYTES / 4) await sleep(10);
      proxy.cut(1);
    },
  };
  const ways = { '1': way(1), '2': way(2), '4': way(4), '8': way(8), '4, one is reset': losing };
  const table = await rows(context, DELAYED_BYTES, ways);
  for (const proxy of proxies) proxy.close();
  context.report({
    title: `A path of ${DELAY_MS} ms in each direction, a window of ${WINDOW / KIB} KiB for each connection`,
    columns: COLUMNS,
    rows: table,
    note: `${DELAYED_BYTES / MIB} MiB, ${TURNED}`,
  });
}

async function paths(context: BenchContext): Promise<void> {
  if (!canMakeNetwork()) throw new Error('the case "paths" needs root, ip and tc');
  const network = makeTwoPaths(CABLE);
  const way = (connections: number, host: string): Way => ({
    connections,
    listen: 'tcp-listen:0.0.0.0:0',
    connect: (port) => `tcp:${host}:${port}`,
    namespaces: [network.source, network.destination],
  });
  const counts = [1, 2, 4, 8];
  const of = (what: string, host: string): [string, Way][] =>
    counts.map((count) => [`${count}, ${what}`, way(count, host)]);
  try {
    const ways = Object.fromEntries([
      ...of('a name with both addresses', network.name),
      ...of('one address behind both', network.address),
    ]);
    context.report({
      title: `Two cables of ${CABLE} each`,
      columns: COLUMNS,
      rows: await rows(context, CABLED_BYTES, ways),
      note: `${CABLED_BYTES / MIB} MiB; one address: the kernel draws a cable for each connection (multipath route, hash of the ports); ${TURNED}`,
    });
  } finally {
    network.remove();
  }
}

async function cost(context: BenchContext): Promise<void> {
  const way = (connections: number): Way => ({
    connections,
    listen: 'tcp-listen:127.0.0.1:0',
    connect: (port) => `tcp:127.0.0.1:${port}`,
  });
  context.report({
    title: 'Loopback without a limit: what several connections cost',
    columns: COLUMNS,
    rows: await rows(context, UNLIMITED_BYTES, { '1': way(1), '2': way(2), '4': way(4), '8': way(8) }),
    note: `${UNLIMITED_BYTES / MIB} MiB, ${TURNED}`,
  });
}

export const connections: Suite = {
  name: 'connections',
  summary: '--connections 1 to 8 on a long path, over two cables (root), and what they cost',
  cases: ['delay', 'paths', 'cost'],
  run: async (context) => {
    const cases = { delay, paths, cost };
    for (const [name, run] of Object.entries(cases)) if (context.wants(name)) await run(context);
  },
};
