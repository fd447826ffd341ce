// Start-up: the time of very small transfers, whole process, beside a Node that does nothing. The second table comes from Node's own profiler: time of the
// main thread by package, the profiler's own cost included.

import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { ramferry } from '../../lab/command.js';
import { run } from '../../lab/processes.js';
import { round, type Suite } from '../support/suite.js';

const RUNS = 11;
const IDLE = 'node with nothing to do';
/** RAM of the guest whose stream is sent. */
const GUEST = '28MiB';

function ratios(own: readonly number[], others: readonly number[]): number[] {
  return own.map((value, turn) => value / others[turn]!);
}

export const startUp: Suite = {
  name: 'start-up',
  summary: 'one page and a small stream from file to file beside `node -e 0`, and where the time goes',
  run: async ({ scratch, report }) => {
    const page = join(scratch, 'page.ram');
    const sent = join(scratch, 'page.rfy');
    writeFileSync(page, Buffer.alloc(4096, 0xa5));
    const send = ramferry('send', '-q', '--force', page, sent);
    const [stream, carried] = [join(scratch, 'guest.mig'), join(scratch, 'guest.rfy')];
    await run(
      ramferry('guest', 'source', '-q', '--size', GUEST, '--profile', 'busy', '--rounds', '1', stream),
    );
    const sendStream = ramferry('send', '-q', '--force', stream, carried);
    const commands: Record<string, string[]> = {
      [IDLE]: [process.execPath, '-e', '0'],
      'ramferry --version': ramferry('--version'),
      'ramferry send, one page': send,
      'ramferry receive, one page': ramferry('receive', '-q', '--force', sent, join(scratch, 'page.out')),
      'ramferry send, stream': sendStream,
      'ramferry receive, stream': ramferry('receive', '-q', '--force', carried, join(scratch, 'guest.out')),
    };
    await run(send);
    await run(sendStream);
    const walls: Record<string, number[]> = {};
    const cpus: Record<string, number[]> = {};
    for (let turn = 0; turn < RUNS; turn++) {
      for (const [name, command] of Object.entries(commands)) {
        const { wall, cpu } = await run(command);
        (walls[name] ??= []).push(wall * 1e3);
        (cpus[name] ??= []).push(cpu * 1e3);
      }
    }
    report({
      title: 'Start-up',
      columns: ['command', 'ms', 'fastest', 'CPU ms', 'time / node', 'CPU / node'],
      rows: Object.keys(commands).map((name) => [
        name,
        round(median(walls[name]!)),
        round(Math.min(...walls[name]!)),
        round(median(cpus[name]!)),
        round(median(ratios(walls[name]!, walls[IDLE]!)), 2),
        round(median(ratios(cpus[name]!, cpus[IDLE]!)), 2),
      ]),
      note: `median of ${RUNS} runs that take turns; ratios of the same turn; the stream has ${Math.round(statSync(stream).size / 1e6)} MB`,
    });
    const profiles = join(scratch, 'profiles');
    mkdirSync(profiles);
    const [node, ...args] = send;
    await run([node!, '--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', profiles, ...args]);
    const time = timeByOwner(profiles);
    rmSync(profiles, { recursive: true });
    report({
      title: 'Where the start-up goes',
      columns: ['whose code', 'ms'],
      rows: [...time]
        .sort(([, a], [, b]) => b - a)
        .filter(([, ms]) => ms >= 1)
        .map(([owner, ms]) => [owner, round(ms)]),
      note: 'main thread of one run of `ramferry send` with one page, profiled',
    });
  },
};

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Milliseconds of the main thread by the nearest caller that belongs to a package or to ramferry. */
function timeByOwner(directory: string): Map<string, number> {
  const [name] = readdirSync(directory).sort();
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(directory, name!), 'utf8')) as Profile;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parent = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const time = new Map<string, number>();
  samples.forEach((sample, index) => {
    let owner: string | undefined;
    for (let id: number | undefined = sample; id !== undefined && owner === undefined; id = parent.get(id)) {
      owner = ownerOf(byId.get(id)!.callFrame);
    }
    owner ??= 'node: start, and finding, reading and compiling modules';
    time.set(owner, (time.get(owner) ?? 0) + timeDeltas[index]! / 1e3);
  });
  return time;
}

function ownerOf({ functionName, url }: ProfileNode['callFrame']): string | undefined {
  if (functionName === '(idle)') return 'waiting (for the worker thread)';
  if (functionName === '(garbage collector)') return 'collecting garbage';
  const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  if (name !== undefined) return name;
  return /\/(dist|bundle)\//.test(url) ? 'ramferry' : undefined;
}
