// Live migrations of a real QEMU guest, compared and counted. By hand, as root, on a quiet machine:
//
//   node dist/bench/live/main.js [--runs 3] [--link 1gbit,100mbit,none] [--load idle,dirty,lines] [--cells ramferry,serve,xbzrle,…] [--memory 256MiB|1GiB]
//   node dist/bench/live/main.js --loop 20 [--load idle,dirty,lines] [--cells ramferry]
//
// The first command prints a table for each link and load, with medians of the runs. The second sends one guest from
// QEMU to QEMU and counts the successes. Standard error has a line for every run. Servers carry one guest before the first that counts.

import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { keepConsoles, saveConsoles } from '../../lab/qemu/consoles.js';
import { missingForLive, type Machine } from '../../lab/qemu/machine.js';
import { CELLS, type Cell } from './cells.js';
import { burden, LOADS, GuestFactory, type Load, SIZES } from './guest.js';
import { migrate, type Measured } from './migrate.js';
import type { Voyage } from './routes.js';
import { LiveServers } from './servers.js';
import { createNetwork, LINKS, type LinkRate, type Network } from '../../lab/network.js';

const COMPARED = ['ramferry', 'none', 'xbzrle', 'compress', 'multifd'];

interface Run extends Measured {
  readonly intact: boolean;
}

const missing = missingForLive();
if (missing !== false) fail(missing);
if (process.getuid?.() !== 0) fail('network namespaces need root');
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    loop: { type: 'string' },
    link: { type: 'string' },
    load: { type: 'string', default: LOADS.join(',') },
    cells: { type: 'string' },
    memory: { type: 'string', default: '256MiB' },
  },
});
const loads = chosen(values.load, LOADS);
const guests = new GuestFactory(SIZES[chosen(values.memory, Object.keys(SIZES))[0]!]!);
try {
  if (values.loop === undefined) {
    const cells = chosen(values.cells ?? COMPARED.join(','), Object.keys(CELLS));
    const links = chosen(values.link ?? LINKS.join(','), LINKS);
    for (const link of links) for (const load of loads) await table(cells, link, load, Number(values.runs));
  } else {
    const cells = chosen(values.cells ?? 'ramferry', Object.keys(CELLS));
    const [link] = chosen(values.link ?? 'none', LINKS);
    for (const load of loads)
      for (const cell of cells) await loop(CELLS[cell]!, link!, load, Number(values.loop));
  }
} finally {
  guests.remove();
}

/** One row a cell. The cells take turns, so that other load of the machine affects all of them. */
async function table(names: readonly string[], link: LinkRate, load: Load, runs: number): Promise<void> {
  const results = new Map<string, (Run | Error)[]>(names.map((name) => [name, []]));
  const network = createNetwork(link);
  const servers = new Map<string, LiveServers>();
  for (const name of names) {
    const { serve } = CELLS[name]!;
    if (serve === undefined) continue;
    servers.set(name, await LiveServers.start(network, guests.directory, serve));
    tell(`${link} ${load} ${name}, warm-up`, await single(CELLS[name]!, network, load, servers.get(name)));
  }
  for (let turn = 0; turn < runs; turn++) {
    for (const name of names) {
      const soFar = results.get(name)!;
      // A cell that has not converged once is not run again: each such run takes three minutes and adds no information.
      if (soFar.some((run) => 'outcome' in run && run.outcome !== 'completed')) continue;
      const run = await single(CELLS[name]!, network, load, servers.get(name));
      soFar.push(run);
      tell(`${link} ${load} ${name}`, run);
    }
  }
  for (const each of servers.values()) await each.stop();
  network.remove();
  console.log(
    `\nlink ${link}, guest ${load}, ${guests.size.memoryKiB} KiB, load average ${loadavg()[0]!.toFixed(1)}\n`,
  );
  console.log('| configuration | total s | downtime ms | MB on the wire | CPU s | others’ CPU | intact |');
  console.log('|---|---|---|---|---|---|---|');
  for (const [name, all] of results) console.log(row(CELLS[name]!.name, all));
}

async function single(cell: Cell, network: Network, load: Load, servers?: LiveServers): Promise<Run | Error> {
  const machines: Machine[] = [];
  try {
    const source = await guests.boot(network.source, load);
    machines.push(source);
    const destination = await guests.start(network.destination, 'defer');
    machines.push(destination);
    return await migrateAndCheck(cell, { source, destination, network, servers }, load);
  } catch (thrown) {
    return thrown as Error;
  } finally {
    for (const machine of machines) await machine.dispose();
  }
}

async function loop(cell: Cell, link: LinkRate, load: Load, times: number): Promise<void> {
  const network = createNetwork(link);
  const downtimes: number[] = [];
  let guest: Machine | undefined;
  let good = 0;
  for (let turn = 0; turn < times; turn++) {
    if (guest === undefined) guest = await guests.boot(network.source, load);
    else if (load !== 'idle') await burden(guest, load);
    const destination: Machine = await guests.start(network.destination, 'defer');
    let run: Run | Error;
    try {
      run = await migrateAndCheck(cell, { source: guest, destination, network }, load);
    } catch (thrown) {
      run = thrown as Error;
    }
    tell(`${turn + 1} of ${times}, ${link} ${load} ${cell.name}`, run);
    await guest.dispose();
    if (!(run instanceof Error) && run.intact) {
      good++;
      downtimes.push(run.downtime!);
      guest = destination;
    } else {
      await destination.dispose();
      guest = undefined;
    }
  }
  await guest?.dispose();
  network.remove();
  const [least, middle, most] = [0, 0.5, 1].map((place) => quantile(downtimes, place).toFixed(0));
  console.log(
    `${cell.name}, link ${link}, guest ${load}: ${good} of ${times} live migrations succeeded; ` +
      `downtime ${least} / ${middle} / ${most} ms (least, median, most)`,
  );
}

async function migrateAndCheck(cell: Cell, voyage: Voyage, load: Load): Promise<Run> {
  const { source, destination } = voyage;
  const { measured, intact } = await keepConsoles([source, destination], async () => {
    const measured = await migrate(cell, voyage, guests.directory);
    return {
      measured,
      intact: measured.outcome === 'completed' && (await guests.isIntact(destination, load)),
    };
  });
  if (measured.outcome === 'completed' && !intact) console.error(saveConsoles([source, destination]));
  return { ...measured, intact };
}

function row(name: string, all: readonly (Run | Error)[]): string {
  const runs = all.filter((run): run is Run => !(run instanceof Error));
  const failed = all.length - runs.length;
  if (runs.length === 0) return `| ${name} | failed ${failed} of ${all.length} | | | | | |`;
  const median = (pick: (run: Run) => number | undefined): number =>
    quantile(
      runs.map((run) => pick(run) ?? NaN),
      0.5,
    );
  const total = (median((run) => run.total) / 1000).toFixed(1);
  const late = runs.find((run) => run.outcome !== 'completed');
  const cells = [
    name + (failed > 0 ? ` (${failed} of ${all.length} failed)` : ''),
    late === undefined ? total : `${late.outcome} in ${total}`,
    late === undefined ? median((run) => run.downtime).toFixed(0) : '–',
    (median((run) => run.wireBytes) / 1e6).toFixed(0),
    median((run) => run.cpuSeconds).toFixed(1),
    `${(median((run) => run.others) * 100).toFixed(0)} %`,
    late === undefined ? `${runs.filter((run) => run.intact).length} of ${runs.length}` : '–',
  ];
  return `| ${cells.join(' | ')} |`;
}

/** The quantile `place` (0 to 1) of the list; NaN for an empty list. */
function quantile(list: readonly number[], place: number): number {
  const sorted = [...list].sort((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) * place)] ?? NaN;
}

function tell(what: string, run: Run | Error): void {
  if (run instanceof Error) {
    console.error(`${what}: ${run.message}`);
    return;
  }
  const { outcome, total, downtime, wireBytes, cpuSeconds, others, intact } = run;
  console.error(
    `${what}: ${outcome}, ${(total / 1000).toFixed(2)} s, downtime ${downtime?.toFixed(0) ?? '–'} ms, ` +
      `${(wireBytes / 1e6).toFixed(1)} MB, CPU ${cpuSeconds.toFixed(1)} s, others ${(others * 100).toFixed(0)} %` +
      (intact || outcome !== 'completed' ? '' : ', NOT INTACT'),
  );
}

function chosen<Name extends string>(list: string, from: readonly Name[]): Name[] {
  return list.split(',').map((name) => {
    const found = from.find((each) => each === name);
    return found ?? fail(`${name}: expected some of ${from.join(', ')}`);
  });
}

function fail(reason: string): never {
  console.error(`live: ${reason}`);
  process.exit(2);
}
