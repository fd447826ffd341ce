// The streaming path beside pipes of standard tools. pipe → send → unix socket → receive → pipe with zstd 1 beside `zstd -1 -T2`, and
// with codec none beside two relays of socat. Counts the processor time of all processes. Both ways take turns. A turn in which other
// programs took much of the host is discarded and counted.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { ramferry } from '../../lab/command.js';
import { run } from '../../lab/processes.js';
import { watchHostLoad } from '../../src/os/processor/host-load.js';
import { overSocket, shell } from '../support/shell.js';
import { type BenchContext, type Cell, round, type Suite, type Table } from '../support/suite.js';

const TURNS = 11;
const MOST_TURNS = 22;
/** No turn begins later. On a busy host a turn takes a minute, and most are discarded. */
const MOST_SECONDS = 600;
/** Share of the processors that other programs may take during a turn. */
const OTHERS_SHARE = 0.2;
/** The slope over size leaves out start-up: the image goes through once, and so many times. */
const REPEATS = 2;
const RELAY_BYTES = 1_048_576;

/** Processor seconds of all processes, and elapsed seconds. */
interface Cost {
  readonly cpu: number;
  readonly seconds: number;
}

/** Carries files to the null device. */
type Way = (files: string, socket: string) => string;

interface Pair {
  readonly name: string;
  readonly title: string;
  readonly ours: Way;
  readonly peer: Way;
  readonly peerName: string;
  readonly slope: boolean;
}

function engine(codec: readonly string[]): Way {
  return (files, socket) =>
    overSocket(
      shell(ramferry('receive', '--quiet', `unix-listen:${socket}`, '-')),
      shell(ramferry('send', '--quiet', ...codec, '-', `unix:${socket}`)),
      files,
      socket,
    );
}

const PAIRS: readonly Pair[] = [
  {
    name: 'zstd',
    title: 'zstd 1 from pipe to pipe',
    ours: engine(['--codec', 'zstd', '--compress-level', '1', '--compress-threads', '2']),
    peer: (files) => `cat ${files} | zstd -1 -T2 -c -q | zstd -dc -q | cat >/dev/null`,
    peerName: 'zstd -1 -T2 | zstd -d',
    slope: false,
  },
  {
    name: 'none',
    title: 'codec none from pipe to pipe, without start-up',
    ours: engine(['--codec', 'none', '--compress-threads', '2']),
    peer: (files, socket) =>
      overSocket(
        `socat -u -b ${RELAY_BYTES} 'UNIX-LISTEN:${socket}' STDOUT`,
        `socat -u -b ${RELAY_BYTES} STDIN 'UNIX-CONNECT:${socket}'`,
        files,
        socket,
      ),
    peerName: 'two relays of socat',
    slope: true,
  },
];

async function carry(way: Way, image: string, times: number, socket: string): Promise<Cost> {
  const files = shell(Array.from({ length: times }, () => image));
  const { cpu, wall } = await run(['sh', '-c', way(files, socket)]);
  rmSync(socket, { force: true });
  return { cpu, seconds: wall };
}

/** The cost of the image, with start-up or without. */
async function costOf({ slope }: Pair, way: Way, image: string, socket: string): Promise<Cost> {
  const once = await carry(way, image, 1, socket);
  if (!slope) return once;
  const more = await carry(way, image, 1 + REPEATS, socket);
  return { cpu: (more.cpu - once.cpu) / REPEATS, seconds: (more.seconds - once.seconds) / REPEATS };
}

interface Turn {
  readonly ours: Cost;
  readonly peer: Cost;
}

async function compare(pair: Pair, { image, scratch }: BenchContext): Promise<Table> {
  const socket = join(scratch, 'pipes.sock');
  const turns: Turn[] = [];
  let discarded = 0;
  await carry(pair.ours, image, 1, socket);
  const began = performance.now();
  const isTime = (): boolean => performance.now() - began < MOST_SECONDS * 1e3;
  while (turns.length < TURNS && turns.length + discarded < MOST_TURNS && isTime()) {
    const others = watchHostLoad();
    const turn = {} as Record<'ours' | 'peer', Cost>;
    for (const who of turns.length % 2 === 0 ? (['ours', 'peer'] as const) : (['peer', 'ours'] as const)) {
      turn[who] = await costOf(pair, pair[who], image, socket);
    }
    const load = others();
    if ((load.others ?? 0) > OTHERS_SHARE * load.cpus) discarded++;
    else turns.push(turn);
  }
  if (turns.length === 0) throw new Error(`the host is too busy: ${discarded} turns were discarded`);
  return {
    title: pair.title,
    columns: ['way', 'CPU s', 'seconds', 'CPU ratio', 'range', 'time ratio', 'range of times'],
    rows: [row('ramferry', 'ours', turns), row(pair.peerName, 'peer', turns)],
    note:
      `${round(statSync(image).size / 2 ** 20)} MiB; medians of ${turns.length} turns and of their ratios; ` +
      `${discarded} turns with more than ${OTHERS_SHARE * 100} % of other programs' processor time were discarded`,
  };
}

function row(name: string, who: 'ours' | 'peer', turns: readonly Turn[]): Cell[] {
  const of = (what: keyof Cost): number => round(median(turns.map((turn) => turn[who][what])), 2);
  const ratios = (what: keyof Cost): Cell[] => {
    if (who === 'peer') return [1, ''];
    const all = turns.map((turn) => turn.ours[what] / turn.peer[what]);
    return [round(median(all), 2), `${round(Math.min(...all), 2)} to ${round(Math.max(...all), 2)}`];
  };
  return [name, of('cpu'), of('seconds'), ...ratios('cpu'), ...ratios('seconds')];
}

export const pipes: Suite = {
  name: 'pipes',
  summary: 'the streaming path, pipe to pipe: zstd 1 beside zstd, codec none beside socat',
  cases: PAIRS.map(({ name }) => name),
  run: async (context) => {
    for (const pair of PAIRS) if (context.wants(pair.name)) context.report(await compare(pair, context));
  },
};
