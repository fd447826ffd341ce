// Ten migrations at once, as when xapi evacuates a host, with and without the front: processor time, the time until the first
// `prepare:`, memory, and the time from a result to the end of the process, which is downtime of the guest.
// Sources and destinations run on this machine. The real emu-manager is the tests' stand-in, a Node program.

import { closeSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { socketPair } from '../../src/hypervisor/xapi/descriptors.js';
import { childrenCpu } from '../../src/os/processor/cpu-time.js';
import { MIB } from '../../src/units.js';
import { SHIPPED_COMMAND } from '../../lab/places.js';
import { END_HEADER, LIBXC_HEADER, Workshop, Xenopsd } from '../../lab/xapi/xenopsd.js';
import { type Cell, round, type Suite } from '../support/suite.js';
import { writeGuestStream } from './guest-stream.js';

const AT_ONCE = 10;
const TURNS = 3;
const GUEST_BYTES = 28 * MIB;
const SAMPLE_MS = 20;

/** Another build's command, to compare with. */
const COMMAND = process.env['RAMFERRY_BENCH_COMMAND'] ?? SHIPPED_COMMAND;

interface Run {
  /** Processor seconds of all processes: fronts and emu-managers, sources and destinations. */
  readonly cpu: number;
  /** Seconds from the start of all to the first `prepare:`, and to the last one. */
  readonly first: number;
  readonly last: number;
  /** Median seconds from the result to the end of the process. */
  readonly sourceExit: number;
  readonly targetExit: number;
  /** Seconds until all have ended. */
  readonly wall: number;
}

interface Ends {
  readonly source: Xenopsd;
  readonly target: Xenopsd;
  readonly fds: readonly number[];
}

export const evacuation: Suite = {
  name: 'evacuation',
  cases: ['one', 'ten', 'memory'],
  summary: 'ten fronts at once under xapi, both ends: cost, start, memory and end beside emu-manager alone',
  run: async ({ image, scratch, wants, report }) => {
    const workshop = new Workshop(undefined, join(scratch, 'evacuation-'));
    try {
      const stream = join(workshop.directory, 'stream');
      await writeGuestStream(image, stream, GUEST_BYTES);
      for (const [name, count] of [
        ['one', 1],
        ['ten', AT_ONCE],
      ] as const) {
        if (!wants(name)) continue;
        const alone: Run[] = [];
        const front: Run[] = [];
        for (let turn = 0; turn < TURNS; turn++) {
          alone.push(await migrate(start(workshop, stream, count, false)));
          front.push(await migrate(start(workshop, stream, count, true)));
        }
        report({
          title: `${count} at once`,
          columns: ['', 'CPU s', 'first prepare ms', 'last ms', 'source end ms', 'target end ms', 's'],
          rows: [row('emu-manager alone', alone), row('front', front), ratios(alone, front)],
          note: `guests of ${GUEST_BYTES / MIB} MiB; medians of ${TURNS} turns; ends: medians of a turn, from the result`,
        });
      }
      if (wants('memory'))
        report({
          title: `Memory of ${AT_ONCE} at once, PSS in MiB`,
          columns: ['', 'median', 'most'],
          rows: await memory(workshop, stream),
          note: `the most of each front while it ran, sampled every ${SAMPLE_MS} ms`,
        });
    } finally {
      workshop.remove();
    }
  },
};

function start(workshop: Workshop, stream: string, count: number, front: boolean): Ends[] {
  return Array.from({ length: count }, () => {
    const { ours, theirs } = socketPair();
    const common = front
      ? { command: COMMAND, logging: ['--no-syslog'] }
      : { program: workshop.emuManager, logging: [] };
    const compress = front ? ['-live', 'true', '-compress', 'true'] : ['-live', 'true'];
    const restored = workshop.file();
    return {
      fds: [ours, theirs],
      source: new Xenopsd({
        workshop,
        mode: 'hvm_save',
        fd: ours,
        args: compress,
        scenario: { memory: stream },
        ...common,
      }),
      target: new Xenopsd({
        workshop,
        mode: 'hvm_restore',
        fd: theirs,
        scenario: { memory: restored },
        ...common,
      }),
    };
  });
}

async function migrate(all: readonly Ends[]): Promise<Run> {
  const before = childrenCpu();
  const began = performance.now();
  const times = await Promise.all(
    all.map(async ({ source, target, fds }) => {
      const sourceResult = save(source);
      const targetResult = restore(target, sourceResult);
      const prepared = await sourceResult.prepared;
      const exits = await Promise.all([endOf(source, sourceResult.done), endOf(target, targetResult)]);
      fds.forEach((fd) => closeSync(fd));
      for (const { logFile, notes } of [source, target]) [logFile, notes].forEach((file) => rmSync(file));
      return { prepared: prepared - began, source: exits[0], target: exits[1] };
    }),
  );
  const wall = performance.now() - began;
  return {
    cpu: childrenCpu() - before,
    first: Math.min(...times.map(({ prepared }) => prepared)) / 1e3,
    last: Math.max(...times.map(({ prepared }) => prepared)) / 1e3,
    sourceExit: median(times.map(({ source }) => source)) / 1e3,
    targetExit: median(times.map(({ target }) => target)) / 1e3,
    wall: wall / 1e3,
  };
}

interface Save {
  /** Resolve with the times of `prepare:` and of the result, when xenopsd has written its header behind it. */
  readonly prepared: Promise<number>;
  readonly done: Promise<number>;
}

function save(xenopsd: Xenopsd): Save {
  const prepared = xenopsd.expect('prepare:xenguest').then(async () => {
    const now = performance.now();
    await xenopsd.writeToStream(LIBXC_HEADER);
    await xenopsd.say('done');
    return now;
  });
  const done = prepared.then(async () => {
    await xenopsd.expect('suspend:');
    await xenopsd.say('done');
    await xenopsd.expect('result:0 0');
    const now = performance.now();
    await xenopsd.hangUp().catch(() => undefined); // the front closes it, too
    await xenopsd.writeToStream(END_HEADER);
    return now;
  });
  return { prepared, done };
}

/** Reads a header only when it is there: a read that blocks occupies one of four threads. */
async function restore(xenopsd: Xenopsd, source: Save): Promise<number> {
  await source.prepared;
  await xenopsd.readFromStream(LIBXC_HEADER.length);
  await xenopsd.say('restore:xenguest');
  await xenopsd.expect('result:xenguest 3 4');
  const now = performance.now();
  await xenopsd.hangUp().catch(() => undefined); // the front closes it, too
  await source.done;
  const end = await xenopsd.readFromStream(END_HEADER.length);
  if (!end.equals(END_HEADER)) throw new Error('END is lost');
  return now;
}

/** Milliseconds from the result to the end of the process. */
async function endOf(xenopsd: Xenopsd, result: Promise<number>): Promise<number> {
  const ended = xenopsd.ended.then(() => performance.now());
  const from = await result;
  const status = await xenopsd.status();
  if (status !== 0) throw new Error(`ended with ${status}`);
  return (await ended) - from;
}

function row(name: string, runs: readonly Run[]): Cell[] {
  const of = (key: keyof Run, scale: number, decimals: number): number =>
    round(median(runs.map((run) => run[key])) * scale, decimals);
  return [
    name,
    of('cpu', 1, 2),
    of('first', 1e3, 0),
    of('last', 1e3, 0),
    of('sourceExit', 1e3, 1),
    of('targetExit', 1e3, 1),
    of('wall', 1, 2),
  ];
}

/** Medians of the paired ratios; of the ends, the differences in ms. */
function ratios(alone: readonly Run[], front: readonly Run[]): Cell[] {
  const ratio = (key: keyof Run): number =>
    round(median(front.map((run, at) => run[key] / alone[at]![key])), 2);
  const more = (key: keyof Run): string =>
    `+ ${round(median(front.map((run, at) => run[key] - alone[at]![key])) * 1e3, 1)}`;
  return [
    'ratio',
    ratio('cpu'),
    ratio('first'),
    ratio('last'),
    more('sourceExit'),
    more('targetExit'),
    ratio('wall'),
  ];
}

async function memory(workshop: Workshop, stream: string): Promise<Cell[][]> {
  const all = start(workshop, stream, AT_ONCE, true);
  const most = new Map<number, number>();
  const ends = { save: new Set<number>(), restore: new Set<number>() };
  for (const { source, target } of all) {
    ends.save.add(source.process.pid!);
    ends.restore.add(target.process.pid!);
  }
  const sample = (): void => {
    for (const pid of [...ends.save, ...ends.restore]) {
      most.set(pid, Math.max(most.get(pid) ?? 0, proportionalBytes(pid)));
    }
  };
  const timer = setInterval(sample, SAMPLE_MS);
  await migrate(all);
  clearInterval(timer);
  return Object.entries(ends).map(([name, pids]) => {
    const peaks = [...pids].map((pid) => most.get(pid)! / MIB);
    return [name, round(median(peaks), 1), round(Math.max(...peaks), 1)];
  });
}

/** Proportional set size; 0 when the process has ended. */
function proportionalBytes(pid: number): number {
  try {
    const [, kib] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')) ?? [];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}
