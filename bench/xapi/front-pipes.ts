// The front beside xapi's own compression: `zstd --fast` and `zstd --decompress` between emu-manager and the link, as xenopsd starts them,
// but without `nice`. Both carry the same libxc streams over a link of a limited rate, from emu-manager to emu-manager.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, copyFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { socketPair } from '../../src/hypervisor/xapi/descriptors.js';
import { childrenCpu } from '../../src/os/processor/cpu-time.js';
import { libc } from '../../src/os/libc.js';
import { LIBXC_HEADER, Workshop, Xenopsd } from '../../lab/xapi/xenopsd.js';
import { SHIPPED_COMMAND } from '../../lab/places.js';
import { run } from '../../lab/processes.js';
import { type Cell, round, type Suite } from '../support/suite.js';
import { DD_EMU_MANAGER } from './emu-host.js';
import { RatedRelay } from './rated-relay.js';
import { writeGuestStream } from './guest-stream.js';

const TURNS = Number(process.env['RAMFERRY_BENCH_TURNS'] ?? 5);
/** Bytes a second of the two links. */
const LINKS = { '30 MB/s': 30e6, '1 Gbit/s': 125e6 } as const;
/** A real stream of a Xen guest, in place of one that the simulated guest writes from the image. */
const STREAM = process.env['RAMFERRY_BENCH_STREAM'];

interface Passage {
  /** Seconds from the start of all processes to the result of the restore. */
  readonly wall: number;
  /** Processor seconds of all processes: emu-managers, and the fronts or the pipes. */
  readonly cpu: number;
  /** Bytes of the link. */
  readonly bytes: number;
}

type Way = 'pipes' | 'front' | 'front, no self-check';
const WAYS: readonly Way[] = ['pipes', 'front', 'front, no self-check'];

export const frontPipes: Suite = {
  name: 'front-pipes',
  cases: Object.keys(LINKS),
  summary: 'the front beside the zstd pipes of xapi, over links of 30 MB/s and 1 Gbit/s',
  run: async ({ image, scratch, wants, report }) => {
    const workshop = new Workshop(DD_EMU_MANAGER, join(scratch, 'front-pipes-'));
    try {
      const stream = join(workshop.directory, 'stream');
      if (STREAM === undefined) await writeGuestStream(image, stream);
      else copyFileSync(STREAM, stream);
      for (const [name, rate] of Object.entries(LINKS)) {
        if (!wants(name)) continue;
        const all = new Map<Way, Passage[]>(WAYS.map((way) => [way, []]));
        for (let turn = 0; turn < TURNS; turn++) {
          for (const way of WAYS) all.get(way)!.push(await carry(workshop, stream, way, rate));
        }
        report({
          title: `${round(statSync(stream).size / 1e6)} MB of a Xen guest at ${name}`,
          columns: ['', 's', 'CPU s', 'MB', 'time ratio', 'CPU ratio', 'bytes ratio'],
          rows: WAYS.map((way) => row(way, all.get(way)!, all.get('pipes')!)),
          note: `medians of ${TURNS} turns, ratios to the pipes of the same turn; CPU of all processes, both sides`,
        });
      }
    } finally {
      workshop.remove();
    }
  },
};

/** One side: what stands for emu-manager towards xenopsd, the descriptor that it uses, and how it ends. */
interface Side {
  readonly xenopsd: Xenopsd;
  /** Closes this process's copies of the descriptors, and waits for the pipe. */
  readonly end: () => Promise<void>;
}

async function carry(workshop: Workshop, stream: string, way: Way, rate: number): Promise<Passage> {
  const restored = workshop.file();
  const before = childrenCpu();
  const began = performance.now();
  const [source, target] = [socketPair(), socketPair()];
  const relay = new RatedRelay(source.theirs, target.theirs, rate);
  const env = {
    ...{ BENCH_FIRST: stream, BENCH_LAST: '/dev/null' },
    ...{ BENCH_TARGET: restored, BENCH_BYTES: String(statSync(stream).size) },
  };
  const common = { workshop, env, scenario: {} };
  const saving =
    way === 'pipes' ? piped(common, 'hvm_save', source.ours) : front(common, 'hvm_save', source.ours, way);
  const restoring =
    way === 'pipes'
      ? piped(common, 'hvm_restore', target.ours)
      : front(common, 'hvm_restore', target.ours, way);
  const saved = save(saving);
  const wall = await restore(restoring.xenopsd, began);
  await saved;
  await relay.ended;
  await restoring.end();
  const cpu = childrenCpu() - before;
  await run(['cmp', stream, restored]);
  rmSync(restored);
  return { wall, cpu, bytes: relay.bytes };
}

type Common = Pick<ConstructorParameters<typeof Xenopsd>[0], 'workshop' | 'env' | 'scenario'>;
type Mode = 'hvm_save' | 'hvm_restore';

function front(common: Common, mode: Mode, fd: number, way: Way): Side {
  const options = way === 'front' ? [] : ['--no-self-check'];
  const args = mode === 'hvm_save' ? ['-live', 'true', '-compress', 'true'] : [];
  const command = SHIPPED_COMMAND;
  const logging = ['--no-syslog'];
  const xenopsd = new Xenopsd({
    ...common,
    ...{ mode, fd, args, command, logging, options: mode === 'hvm_save' ? options : [] },
  });
  return { xenopsd, end: () => left(xenopsd, [fd]) };
}

/** emu-manager on a pipe, and zstd between the pipe and the link. */
function piped(common: Common, mode: Mode, link: number): Side {
  const [reading, writing] = libc()!.pipe()!;
  const isSave = mode === 'hvm_save';
  const [command, stdio, fd] = isSave
    ? ([['--fast', '-q', '-c'], [reading, link, 'inherit'], writing] as const)
    : ([['--decompress', '-q', '--stdout'], [link, writing, 'inherit'], reading] as const);
  const zstd = spawn('zstd', command, { stdio: [...stdio] });
  closeSync(isSave ? reading : writing);
  closeSync(link);
  const xenopsd = new Xenopsd({ ...common, mode, fd, program: common.workshop.emuManager });
  return { xenopsd, end: () => left(xenopsd, [fd], zstd) };
}

async function left(xenopsd: Xenopsd, fds: readonly number[], zstd?: ChildProcess): Promise<void> {
  await xenopsd.say('quit');
  const status = await xenopsd.status();
  if (status !== 0) throw new Error(`emu-manager ended with ${status}`);
  for (const fd of fds) closeSync(fd);
  if (zstd !== undefined && zstd.exitCode === null) await once(zstd, 'exit');
}

async function save({ xenopsd, end }: Side): Promise<void> {
  await xenopsd.expect('prepare:xenguest');
  await xenopsd.writeToStream(LIBXC_HEADER);
  await xenopsd.say('done');
  await xenopsd.expect('suspend:');
  await xenopsd.say('done');
  await xenopsd.expect('result:0 0');
  await end();
}

/** @returns seconds from `began` to the result */
async function restore(xenopsd: Xenopsd, began: number): Promise<number> {
  await xenopsd.readFromStream(LIBXC_HEADER.length);
  await xenopsd.say('restore:xenguest');
  await xenopsd.expect('result:xenguest 3 4');
  return (performance.now() - began) / 1e3;
}

function row(way: Way, passages: readonly Passage[], pipes: readonly Passage[]): Cell[] {
  const of = (key: keyof Passage): number => median(passages.map((passage) => passage[key]));
  const ratio = (key: keyof Passage): number =>
    round(median(passages.map((passage, turn) => passage[key] / pipes[turn]![key])), 3);
  return [
    way,
    ...[round(of('wall'), 2), round(of('cpu'), 2), round(of('bytes') / 1e6, 1)],
    ...[ratio('wall'), ratio('cpu'), ratio('bytes')],
  ];
}
