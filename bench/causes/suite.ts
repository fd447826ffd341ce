// Where the processor time of a whole transfer goes: `perf` records both sides, `strace` counts their system calls. Rows:
// an image and a stream through pipes and a unix socket, one page from file to file. Needs perf; strace is optional.

import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ramferry } from '../../lab/command.js';
import { run } from '../../lab/processes.js';
import { overSocket, shell } from '../support/shell.js';
import { round, type BenchContext, type Cell, type Suite, type Table } from '../support/suite.js';
import { CAUSES, causeOf, type Cause } from './causes.js';
import { rolesOf, samplesOf, type Role } from './samples.js';

const STREAM = 'RAMFERRY_BENCH_STREAM';
/** Frames of JavaScript have names only when V8 writes its map for perf. It costs a few percent. */
const MAPPED = '--perf-basic-prof';
const HERTZ = 1999;
const FIXED = ['--codec', 'zstd', '--compress-level', '1', '--quiet'];
const ROLES: readonly Role[] = ['main', 'worker', 'V8', 'libuv'];

type Side = 'send' | 'receive';
/** How a command line of ramferry is watched; the recording goes to the file. */
type Watch = (command: readonly string[], recording: string) => string[];

const recorded: Watch = ([node, ...args], file) => [
  'perf',
  'record',
  '-q',
  '-g',
  '-e',
  'cpu-clock',
  '-F',
  `${HERTZ}`,
  '-o',
  file,
  node!,
  MAPPED,
  ...args,
];
const counted: Watch = (command, file) => ['strace', '-f', '-c', '-S', 'calls', '-o', file, ...command];

/** Carries `input` from a pipe through a unix socket into a pipe. Both sides are watched. */
async function carry(input: string, scratch: string, watch: Watch): Promise<Record<Side, string>> {
  const socket = join(scratch, 'causes.sock');
  const files = { send: join(scratch, 'send.causes'), receive: join(scratch, 'receive.causes') };
  const receive = watch(ramferry('receive', '--quiet', `unix-listen:${socket}`, '-'), files.receive);
  const send = watch(ramferry('send', ...FIXED, '-', `unix:${socket}`), files.send);
  await run(['sh', '-c', overSocket(shell(receive), shell(send), shell([input]), socket)]);
  rmSync(socket, { force: true });
  return files;
}

/** Sends and receives one page from file to file. */
async function page(scratch: string, watch: Watch): Promise<Record<Side, string>> {
  const [image, sent, output] = ['page.ram', 'page.rfy', 'page.out'].map((name) => join(scratch, name));
  const files = { send: join(scratch, 'send.causes'), receive: join(scratch, 'receive.causes') };
  writeFileSync(image!, Buffer.alloc(4096, 0xa5));
  await run(watch(ramferry('send', ...FIXED, '--force', image!, sent!), files.send));
  await run(watch(ramferry('receive', '--quiet', '--force', sent!, output!), files.receive));
  return files;
}

async function timeTable(title: string, files: Record<Side, string>): Promise<Table> {
  const seconds = new Map<string, number>();
  const add = (key: string, more: number): void => void seconds.set(key, (seconds.get(key) ?? 0) + more);
  for (const side of ['send', 'receive'] as const) {
    const samples = await samplesOf(files[side]);
    const roles = rolesOf(samples);
    for (const sample of samples) {
      for (const cause of [causeOf(sample), 'all']) {
        add(`${cause} ${side} ${roles.get(sample.thread)!}`, sample.seconds);
        add(cause, sample.seconds);
      }
    }
  }
  const sides = (['send', 'receive'] as const).flatMap((side) => ROLES.map((role) => `${side} ${role}`));
  const row = (cause: Cause | 'all'): Cell[] => [
    cause,
    ...sides.map((place) => round((seconds.get(`${cause} ${place}`) ?? 0) * 1e3)),
    round((seconds.get(cause) ?? 0) * 1e3),
  ];
  const causes = CAUSES.filter((cause) => seconds.has(cause)).sort(
    (a, b) => seconds.get(b)! - seconds.get(a)!,
  );
  return {
    title: `CPU ms by cause and thread: ${title}`,
    columns: ['cause', ...sides, 'all'],
    rows: [...causes.map(row), row('all')],
    note: 'one run under perf (cpu-clock) with names for JavaScript; compare shares, not times',
  };
}

/** The most frequent system calls of each side, from strace's own table. */
function callTable(title: string, files: Record<Side, string>): Table {
  const rows = (['send', 'receive'] as const).flatMap((side) =>
    readFileSync(files[side], 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, calls, name] = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/.exec(line) ?? [];
        return name === undefined || name === 'total' ? [] : [[side, name, Number(calls)] as Cell[]];
      })
      .slice(0, 10),
  );
  return { title: `System calls: ${title}`, columns: ['side', 'call', 'count'], rows };
}

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

async function row(
  context: BenchContext,
  title: string,
  transfer: (watch: Watch) => ReturnType<typeof page>,
): Promise<void> {
  context.report(await timeTable(title, await transfer(recorded)));
  if (has('strace')) context.report(callTable(title, await transfer(counted)));
}

export const causes: Suite = {
  name: 'causes',
  summary: 'where the processor time of a transfer goes, by cause and thread (needs perf)',
  cases: ['image', 'stream', 'page'],
  run: async (context) => {
    if (!has('perf')) throw new Error('this suite needs perf (Debian: linux-perf)');
    const { image, scratch, wants } = context;
    const stream = process.env[STREAM];
    if (wants('image')) await row(context, 'image', (watch) => carry(image, scratch, watch));
    if (wants('stream') && stream !== undefined) {
      await row(context, 'stream', (watch) => carry(stream, scratch, watch));
    }
    if (wants('page')) await row(context, 'one page', (watch) => page(scratch, watch));
  },
};
