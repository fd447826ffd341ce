// Whether `qemu-migrate` keeps the downtime that it aims at: real guests over links of a stated rate. By hand, as root:
//
//   node dist/bench/live/downtime.js [--rates 1,10,30] [--runs 3] [--load idle,dirty,lines] [--limit 300] [--trace]
//
// A line for each run: the downtime-limit that QEMU had when it stopped the guest, QEMU's own downtime, the guest's pause from the source's
// STOP to the destination's RESUME. `--trace` prints what QEMU said of its migration every 50 ms.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';

import { scratchDirectory } from '../../lab/cleanup.js';
import { Ferry } from '../../lab/ferry.js';
import { createNetwork, type Network } from '../../lab/network.js';
import { SHIPPED_COMMAND } from '../../lab/places.js';
import { buildInitramfs, findKernel } from '../../lab/qemu/initramfs.js';
import { Machine, missingForLive, type MachineOptions } from '../../lab/qemu/machine.js';
import { generateImage } from '../../src/index.js';
import { MIB } from '../../src/units.js';

/** 8 KiB less than 128 MiB; MachineOptions gives the reason. */
const MEMORY_KIB = 131_064;
const SEED_BYTES = 16 * MIB;
const PORT = 4444;
const SAMPLE_MS = 50;
/** A migration that takes longer stops the guest whatever is left. */
const TIMEOUT_S = 180;
const WARM_UP_MS = 1500;
const LOADS = ['idle', 'dirty', 'lines'] as const;
type Load = (typeof LOADS)[number];

/** QEMU's account in one sample. */
interface Sample {
  readonly at: number;
  readonly status: string;
  readonly round: number;
  readonly remaining: number;
  readonly transferred: number;
  readonly mbps: number;
  readonly limit: number;
}

interface QueryMigrate {
  readonly status?: string;
  readonly downtime?: number;
  readonly ram?: {
    readonly remaining: number;
    readonly transferred: number;
    readonly mbps: number;
    readonly 'dirty-sync-count': number;
  };
}

const missing = missingForLive();
if (missing !== false || process.getuid?.() !== 0) {
  console.error(`downtime: ${missing === false ? 'network namespaces need root' : missing}`);
  process.exit(2);
}
const { values } = parseArgs({
  options: {
    rates: { type: 'string', default: '1,10,30' },
    runs: { type: 'string', default: '3' },
    load: { type: 'string', default: LOADS.join(',') },
    limit: { type: 'string', default: '300' },
    trace: { type: 'boolean', default: false },
  },
});
const scratch = scratchDirectory();
const kernel = findKernel()!;
const initrd = join(scratch.path, 'initrd');
writeFileSync(
  initrd,
  buildInitramfs({
    seed: Buffer.concat([...generateImage({ bytes: SEED_BYTES, seed: 11, profile: 'busy' })]),
  }),
);
const MACHINE: Omit<MachineOptions, 'name'> = {
  ...{ directory: scratch.path, kernel, initrd, memoryKiB: MEMORY_KIB, secondMonitor: true },
};
let count = 0;

console.log('| MB/s | guest | limit at the stop ms | by QEMU ms | measured pause ms | rounds | total s |');
console.log('|---|---|---|---|---|---|---|');
for (const rate of values.rates.split(',').map(Number)) {
  for (const load of LOADS.filter((each) => values.load.split(',').includes(each))) {
    for (let run = 0; run < Number(values.runs); run++) await single(rate, load);
  }
}
scratch.remove();

/** What a guest writes that dirties about a fifth of what the link carries. */
function writer(load: Exclude<Load, 'idle'>, rate: number): string {
  const blocks = Math.max(1, Math.round((rate * 1e6) / 10 / 65_536 / 2));
  return `${load} ${blocks} ${Math.min(160, blocks * 16)}`;
}

async function single(rate: number, load: Load): Promise<void> {
  const network = createNetwork(`${rate * 8}mbit`);
  const machines: Machine[] = [];
  const ferries: Ferry[] = [];
  try {
    const source = await Machine.start({ ...MACHINE, name: `vm${count++}` });
    machines.push(source);
    await source.says(/^tick /m);
    if (load !== 'idle') await source.ask(writer(load, rate));
    const destination = await Machine.start({ ...MACHINE, name: `vm${count++}`, incoming: 'defer' });
    machines.push(destination);
    await sleep(WARM_UP_MS);
    await migrate(rate, load, { source, destination, network, ferries });
  } catch (thrown) {
    console.log(`| ${rate} | ${load} | ${(thrown as Error).message.split('\n')[0]} | | | | |`);
  } finally {
    for (const ferry of ferries) ferry.kill();
    for (const machine of machines) await machine.dispose();
    network.remove();
  }
}

interface Parts {
  readonly source: Machine;
  readonly destination: Machine;
  readonly network: Network;
  readonly ferries: Ferry[];
}

async function migrate(rate: number, load: Load, { source, destination, network, ferries }: Parts) {
  const incoming = join(scratch.path, `${destination.name}.in`);
  const listen = `tcp-listen:${network.address}:${PORT}`;
  const receive = new Ferry(['receive', listen, `unix:${incoming}`], network.destination, SHIPPED_COMMAND);
  ferries.push(receive);
  await receive.listening();
  const command = [
    ...[
      'qemu-migrate',
      '--qmp',
      `unix:${source.monitor}`,
      '--destination-qmp',
      `unix:${destination.monitor}`,
    ],
    ...['--incoming', `unix:${incoming}`, `tcp:${network.address}:${PORT}`],
    ...[
      '--downtime-limit',
      `${values.limit}ms`,
      '--timeout',
      String(TIMEOUT_S),
      '--timeout-strategy',
      'ignore',
    ],
  ];
  const began = performance.now();
  const migration = new Ferry(command, network.source, SHIPPED_COMMAND);
  ferries.push(migration);
  const samples: Sample[] = [];
  let over = false;
  const ended = migration.ended.finally(() => (over = true));
  while (!over) {
    samples.push(await sample(source, began));
    await Promise.race([sleep(SAMPLE_MS), ended]);
  }
  const { status, output } = await ended;
  if (status !== 0)
    throw new Error(output.split('\n').findLast((line) => line.includes('"error"')) ?? output);
  const { downtime } = await source.qmp.execute<QueryMigrate>('query-migrate');
  const pause = (await destination.qmp.event('RESUME')).at - (await source.qmp.event('STOP')).at;
  if (values.trace) for (const each of samples) console.error(trace(each));
  const summary = output.split('\n').find((line) => line.includes('"summary"'))!;
  const { qemu } = JSON.parse(summary) as { qemu: { rounds: number; 'switched-by': string } };
  const total = (performance.now() - began) / 1000;
  const last = samples.findLast(({ status: each }) => each === 'active');
  const by = qemu['switched-by'] === 'timeout' ? ' (time-out)' : '';
  console.log(
    `| ${rate} | ${load} | ${last?.limit}${by} | ${downtime} | ${pause.toFixed(0)} | ${qemu.rounds} | ${total.toFixed(1)} |`,
  );
}

async function sample({ qmp }: Machine, began: number): Promise<Sample> {
  const { status = 'none', ram } = await qmp.execute<QueryMigrate>('query-migrate');
  const parameters = await qmp.execute<{ 'downtime-limit': number }>('query-migrate-parameters');
  return {
    ...{ at: performance.now() - began, status, limit: parameters['downtime-limit'] },
    ...{ round: ram?.['dirty-sync-count'] ?? 0, remaining: ram?.remaining ?? 0 },
    ...{ transferred: ram?.transferred ?? 0, mbps: ram?.mbps ?? 0 },
  };
}

function trace({ at, status, round, remaining, transferred, mbps, limit }: Sample): string {
  return [
    ...[at.toFixed(0), status, round, `left ${(remaining / 1e6).toFixed(2)} MB`],
    ...[`written ${(transferred / 1e6).toFixed(2)} MB`, `${(mbps / 8).toFixed(2)} MB/s`, `limit ${limit}`],
  ].join('  ');
}
