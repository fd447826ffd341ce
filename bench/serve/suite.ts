// Suite `serve`: a warm server at both ends. Beside a pipe of zstd; many transfers at once; many in a row; and whether one thread of
// JavaScript for all transfers is the limit.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Command } from '../../lab/command.js';
import { childrenCpu } from '../../src/os/processor/cpu-time.js';
import { MIB } from '../../src/units.js';
import type { BenchContext, Suite } from '../support/suite.js';
import { round } from '../support/suite.js';
import { type Costs, Servers } from './servers.js';

const FAST = ['--codec', 'zstd', '--compress-level', '1'];
const UNMEASURED = 2;
const RUNS = 11;
const AT_ONCE = 50;
const IN_ROW = 1000;
const SMALL = 4 * MIB;

export const serve: Suite = {
  name: 'serve',
  summary: 'a warm server at both ends: beside zstd, many transfers at once, many in a row',
  cases: ['pipe', 'at-once', 'in-row', 'processors'],
  run: async (context) => {
    const cases = { pipe, 'at-once': atOnce, 'in-row': inRow, processors };
    for (const [name, run] of Object.entries(cases)) if (context.wants(name)) await run(context);
  },
};

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `guest-${index}`);

/** Each turn: the servers, then `zstd -1 -T2 | zstd -d`. Costs of the servers count from the end of the run before. */
async function pipe({ image, scratch, report }: BenchContext): Promise<void> {
  const bytes = readFileSync(image);
  const servers = await Servers.start(join(scratch, 'pipe'), ['guest'], FAST);
  const rows: number[][] = [];
  for (let run = -UNMEASURED; run < RUNS; run++) {
    const before = servers.costs().cpu;
    const seconds = await servers.carry('guest', bytes);
    const cpu = servers.costs().cpu - before;
    const peer = await zstdPipe(image);
    if (run >= 0) rows.push([cpu, seconds, peer.cpu, peer.seconds, cpu / peer.cpu, seconds / peer.seconds]);
  }
  await servers.end();
  const figures = rows[0]!.map((_, column) => rows.map((row) => row[column]!));
  report({
    title: `serve beside a pipe of zstd -1 -T2, ${round(bytes.length / MIB)} MiB, ${RUNS} turns`,
    columns: ['', 'CPU s', 's', 'zstd CPU s', 'zstd s', 'CPU ratio', 'time ratio'],
    rows: [
      ['median', ...figures.map((values) => round(median(values), 2))],
      ['least', ...figures.map((values) => round(Math.min(...values), 2))],
      ['most', ...figures.map((values) => round(Math.max(...values), 2))],
    ],
  });
}

async function zstdPipe(file: string): Promise<{ cpu: number; seconds: number }> {
  const before = childrenCpu();
  const started = performance.now();
  const line = 'cat "$1" | zstd -1 -T2 -c -q | zstd -dc -q | cat > /dev/null';
  await new Command(['sh', '-c', line, 'sh', file]).succeeded();
  return { seconds: (performance.now() - started) / 1000, cpu: childrenCpu() - before };
}

/** All begin at the same moment and are admitted at once. */
async function atOnce({ image, scratch, report }: BenchContext): Promise<void> {
  const bytes = readFileSync(image).subarray(0, SMALL);
  const guests = names(AT_ONCE);
  const limits = ['--max-transfers', String(AT_ONCE), '--memory-limit', '4GiB'];
  const servers = await Servers.start(join(scratch, 'at-once'), guests, FAST, limits);
  await servers.carry(guests[0]!, bytes);
  const before = servers.costs();
  const rows: (readonly (string | number)[])[] = [];
  for (let run = 0; run < 3; run++) {
    const seconds = await Promise.all(guests.map((name) => servers.carry(name, bytes)));
    const [middle, slowest] = [median(seconds), Math.max(...seconds)];
    rows.push([
      run,
      ...[middle, slowest, slowest / middle].map((value) => round(value, 2)),
      ...place(servers.costs()),
    ]);
  }
  rows.unshift(['before', '', '', '', ...place(before)]);
  await servers.end();
  report({
    title: `${AT_ONCE} transfers of ${SMALL / MIB} MiB at once`,
    columns: ['run', 'median s', 'slowest s', 'ratio', 'MiB of both', 'descriptors', 'threads'],
    rows,
  });
}

const place = ({ memory, descriptors, threads }: Costs): number[] => [
  round(memory / MIB),
  descriptors,
  threads,
];

async function inRow({ image, scratch, report }: BenchContext): Promise<void> {
  const bytes = readFileSync(image).subarray(0, SMALL);
  const servers = await Servers.start(join(scratch, 'in-row'), ['guest'], FAST);
  const rows: (readonly (string | number)[])[] = [];
  let since = servers.costs().cpu;
  for (let transfer = 1; transfer <= IN_ROW; transfer++) {
    await servers.carry('guest', bytes);
    if (transfer % (IN_ROW / 10) !== 0) continue;
    const costs = servers.costs();
    rows.push([transfer, ...place(costs), round(((costs.cpu - since) / (IN_ROW / 10)) * 1000)]);
    since = costs.cpu;
  }
  await servers.end();
  report({
    title: `${IN_ROW} transfers of ${SMALL / MIB} MiB in a row`,
    columns: ['after', 'MiB of both', 'descriptors', 'threads', 'CPU ms each'],
    rows,
  });
}

/** Without compression the one thread of JavaScript does most of the work. */
async function processors({ image, scratch, report }: BenchContext): Promise<void> {
  const bytes = readFileSync(image).subarray(0, 64 * MIB);
  const guests = names(8);
  const limits = ['--max-transfers', '8', '--memory-limit', '2GiB'];
  const servers = await Servers.start(join(scratch, 'processors'), guests, ['--codec', 'none'], limits);
  const rows: (readonly (string | number)[])[] = [];
  for (const count of [1, 8, 1, 8, 1, 8]) {
    const before = servers.costs().cpu;
    const started = performance.now();
    await Promise.all(guests.slice(0, count).map((name) => servers.carry(name, bytes)));
    const seconds = (performance.now() - started) / 1000;
    const cpu = servers.costs().cpu - before;
    rows.push([
      count,
      ...[seconds, (count * bytes.length) / MIB / seconds, cpu / seconds].map((value) => round(value, 2)),
    ]);
  }
  await servers.end();
  report({
    title: `--codec none, ${round(bytes.length / MIB)} MiB each: one transfer and eight at once`,
    columns: ['transfers', 's', 'MiB/s', 'CPUs of both'],
    rows,
  });
}
