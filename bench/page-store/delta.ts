// Savings of the page store, and its cost where it saves nothing: snapshots of one guest sent as the rounds of one
// transfer, streams of real guests, and a guest whose program writes random numbers. Bytes depend only on the input.
// Processor time is that of whole processes, which take turns.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { send } from '../../src/index.js';
import { MIB } from '../../src/units.js';
import { type Coded, compareDictionary } from './delta-dictionary.js';
import { writeLoad, writeOnce, writeRounds } from './delta-streams.js';
import { ramferry } from '../../lab/command.js';
import { run } from '../../lab/processes.js';
import { type BenchContext, type Cell, round, type Suite } from '../support/suite.js';

/** Environment variables: paths of snapshots in the order of their making, and of streams, separated by colons. */
const SNAPSHOTS = 'RAMFERRY_BENCH_SNAPSHOTS';
const STREAMS = 'RAMFERRY_BENCH_STREAMS';
/** Environment variable: number of pairs of the case `writer`. */
const PAIRS = 'RAMFERRY_BENCH_PAIRS';

const STORES = ['0', '64MiB', '512MiB'] as const;

export const delta: Suite = {
  name: 'delta',
  summary: `what a page store saves and costs; snapshots as rounds (${SNAPSHOTS}), streams (${STREAMS}), writers`,
  cases: ['rounds', 'streams', 'writer', 'dictionary'],
  run: async (context) => {
    const snapshots = process.env[SNAPSHOTS]?.split(':') ?? [];
    if (context.wants('rounds') && snapshots.length > 1) await rounds(context, snapshots);
    const streams = process.env[STREAMS]?.split(':') ?? [];
    if (context.wants('streams') && streams.length > 0) await whole(context, streams);
    if (context.wants('dictionary')) await dictionaries(context, snapshots, streams);
    if (context.wants('writer')) await writer(context, Number(process.env[PAIRS] ?? 7));
  },
};

async function sentBytes(context: BenchContext, input: string, store: string): Promise<number> {
  const output = join(context.scratch, 'delta.rfy');
  await send({ input, output, force: true, codec: 'zstd', compressLevel: 1, xbzrleCacheSize: store });
  const { size } = statSync(output);
  rmSync(output);
  return size;
}

async function rounds(context: BenchContext, snapshots: readonly string[]): Promise<void> {
  const totals = new Map<string, number[]>(STORES.map((store) => [store, []]));
  const stream = join(context.scratch, 'delta.mig');
  for (let last = 0; last < snapshots.length; last++) {
    await writeRounds(stream, snapshots.slice(0, last + 1));
    for (const store of STORES) totals.get(store)!.push(await sentBytes(context, stream, store));
    rmSync(stream);
  }
  const bytesOf = (store: string, number: number): number =>
    totals.get(store)![number]! - (totals.get(store)![number - 1] ?? 0);
  const rows = snapshots.map((_, number) =>
    rowOf(
      number + 1,
      STORES.map((store) => bytesOf(store, number)),
    ),
  );
  report(context, 'Snapshots as rounds of one transfer, bytes on the link', 'round', rows);
}

async function whole(context: BenchContext, streams: readonly string[]): Promise<void> {
  const rows: Cell[][] = [];
  const once = join(context.scratch, 'once.mig');
  for (const [index, stream] of streams.entries()) {
    const resent = await writeOnce(once, stream);
    const all = await withEach(context, stream);
    rows.push(rowOf(index + 1, all));
    if (resent === 0) continue;
    // The rounds after the first consist only of pages that were sent before.
    const first = await withEach(context, once);
    const later = all.map((bytes, store) => bytes - first[store]!);
    rows.push(rowOf(`${index + 1}, re-sent pages`, later));
  }
  rmSync(once, { force: true });
  report(context, 'Streams, bytes on the link', 'stream', rows);
}

async function withEach(context: BenchContext, stream: string): Promise<number[]> {
  const bytes: number[] = [];
  for (const store of STORES) bytes.push(await sentBytes(context, stream, store));
  return bytes;
}

/** Bytes with each of STORES. The first one is no store. */
function rowOf(name: Cell, [without = NaN, ...others]: readonly number[]): Cell[] {
  return [name, without, ...others.flatMap((bytes) => [bytes, round(bytes / without, 3)])];
}

function report(context: BenchContext, title: string, what: string, rows: Cell[][]): void {
  context.report({
    title,
    columns: [what, 'no store', ...STORES.slice(1).flatMap((store) => [store, 'part'])],
    rows,
    note: 'zstd 1, chunks of 1 MiB',
  });
}

/** Columns for the time of a page at either end. */
const ENDS = ['ns to send', 'ns to receive'] as const;

/** Compares dictionaries: each snapshot against the one before, and each stream that sends pages again. */
async function dictionaries(
  context: BenchContext,
  snapshots: readonly string[],
  streams: readonly string[],
): Promise<void> {
  const rows: Cell[][] = [];
  const compare = async (name: string, stream: string): Promise<void> => {
    for (const level of [1, 3]) {
      const { pages, same, whole, delta, dictionary } = await compareDictionary(stream, level);
      if (pages === 0) return;
      const way = ({ bytes, sender, receiver }: Coded): Cell[] => [
        round(bytes / whole.bytes, 3),
        round(sender / pages),
        round(receiver / pages),
      ];
      rows.push([
        name,
        pages,
        same,
        level,
        round(whole.bytes / pages),
        ...way(whole).slice(1),
        ...way(delta),
        ...way(dictionary),
      ]);
    }
  };
  const pair = join(context.scratch, 'pair.mig');
  for (let number = 1; number < snapshots.length; number++) {
    await writeRounds(pair, snapshots.slice(number - 1, number + 1));
    await compare(`snapshots ${number} to ${number + 1}`, pair);
    rmSync(pair);
  }
  for (const [index, stream] of streams.entries()) await compare(`stream ${index + 1}`, stream);
  context.report({
    title: 'Earlier contents as XBZRLE and as a zstd dictionary: pages that are sent again',
    columns: [
      'pages of',
      'pages',
      'same',
      'level',
      'whole bytes',
      ...ENDS.map((end) => `whole ${end}`),
    ].concat(['XBZRLE', 'dictionary'].flatMap((way) => [way, ...ENDS.map((end) => `${way} ${end}`)])),
    rows,
    note: 'of each page that is not zero, earlier contents always there; 256 pages a chunk; ns of a thread for a page, at the sender and at the receiver, without keeping the page',
  });
}

interface StoreSummary {
  readonly 'xbzrle-cache'?: { readonly 'turned-off': number };
}

/** Runs the random writer of QEMU's document over a quarter of 1 GiB. Processes with and without a store take turns. */
async function writer(context: BenchContext, pairs: number): Promise<void> {
  const rows: Cell[][] = [];
  for (const rounds of [4, 12]) {
    const stream = join(context.scratch, 'writer.mig');
    await writeLoad(stream, { bytes: 1024 * MIB, pattern: 'integers', workingSet: 256 * MIB, rounds });
    for (const store of ['64MiB', '512MiB']) {
      const { ratios, without, turnedOff, part } = await paired(context, stream, store, pairs);
      rows.push([
        `${round(statSync(stream).size / MIB)} MiB`,
        store,
        round(without, 2),
        round(median(ratios), 3),
        round(Math.min(...ratios), 3),
        round(Math.max(...ratios), 3),
        round(part, 3),
        turnedOff,
      ]);
    }
    rmSync(stream);
  }
  context.report({
    title: 'A random writer: CPU seconds with a page store over those without',
    columns: ['stream', 'store', 'CPU s without', 'ratio', 'least', 'most', 'bytes', 'turned off'],
    rows,
    note: `integers below 100,000 over 256 MiB of 1 GiB, zstd 1, whole processes from file to file, medians of ${pairs} pairs that take turns`,
  });
}

async function paired(
  context: BenchContext,
  stream: string,
  store: string,
  pairs: number,
): Promise<{ ratios: number[]; without: number; turnedOff: number; part: number }> {
  const output = join(context.scratch, 'writer.rfy');
  const cpu: Record<string, number[]> = { '0': [], [store]: [] };
  const bytes: Record<string, number> = {};
  let turnedOff = 0;
  for (let pair = 0; pair < pairs; pair++) {
    for (const size of pair % 2 === 0 ? ['0', store] : [store, '0']) {
      const coding = ['--codec', 'zstd', '--compress-level', '1', '--xbzrle-cache-size', size];
      const done = await run(ramferry('send', '--json', '--force', ...coding, stream, output));
      cpu[size]!.push(done.cpu);
      bytes[size] = statSync(output).size;
      rmSync(output);
      if (size === store) turnedOff = turnedOffOf(done.stdout);
    }
  }
  return {
    ratios: cpu[store]!.map((seconds, pair) => seconds / cpu['0']![pair]!),
    without: median(cpu['0']!),
    turnedOff,
    part: bytes[store]! / bytes['0']!,
  };
}

/** The count in the summary, which is the last JSON line. */
function turnedOffOf(lines: string): number {
  const summary = JSON.parse(lines.trim().split('\n').at(-1)!) as StoreSummary;
  return summary['xbzrle-cache']?.['turned-off'] ?? 0;
}
