// One live migration, measured with the same clock and counters for every configuration. Total time lasts from the
// command `migrate` to the destination's RESUME, downtime from the source's STOP to that RESUME. Bytes are those that
// left the source's network device. Processor time covers all processes, with the guest's own work, which QEMU emulates.

import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Ferry } from '../../lab/ferry.js';
import type { Machine } from '../../lab/qemu/machine.js';
import { UNLIMITED_BANDWIDTH } from '../../lab/qemu/voyage.js';
import type { Cell } from './cells.js';
import type { Network } from '../../lab/network.js';
import { openRoute, type Route, type Voyage } from './routes.js';

/** A migration that takes longer does not converge. */
const DEADLINE_MS = 180_000;
const POLL_MS = 250;
/** All programs are ready this long before the command `migrate`, as when a person or libvirt gives it. */
const READY_MS = 3000;
/** A server ends a transfer within this time after the guest has arrived. */
const SETTLE_MS = 300;
/** Unit of processor time in /proc (getconf CLK_TCK). */
const TICKS_PER_SECOND = 100;

export interface Measured {
  readonly outcome: 'completed' | 'did not converge';
  /** Total time in milliseconds. */
  readonly total: number;
  /** Milliseconds; undefined when the guest did not arrive. */
  readonly downtime: number | undefined;
  readonly wireBytes: number;
  readonly cpuSeconds: number;
  /** Share of the machine's processors that other programs used during the migration, 0 to 1. */
  readonly others: number;
}

/** Rejects when any of the programs fails. The caller must dispose of the machines. @param directory for sockets */
export async function migrate(cell: Cell, voyage: Voyage, directory: string): Promise<Measured> {
  const { source, destination, network, servers } = voyage;
  for (const machine of [source, destination]) await configure(machine, cell);
  const route = await openRoute(cell, voyage, directory);
  try {
    await sleep(READY_MS);
    const mark = source.qmp.events.length;
    const lasting = [source, destination, ...(servers?.processes ?? [])];
    const running = [...lasting, ...route.ferries];
    const before = observe(running, network);
    const start = performance.now();
    await source.qmp.execute('migrate', { uri: route.uri });
    const outcome = await waitForEnd(source, destination, route, start);
    const end = outcome === 'completed' ? (await destination.qmp.event('RESUME')).at : performance.now();
    if (outcome !== 'completed') for (const ferry of route.ferries) ferry.kill();
    const statuses = await Promise.all(route.ferries.map((ferry) => ferry.ended));
    // Servers close their connections; `send` and `receive` have ended, so the time of this process's children includes theirs.
    if (servers !== undefined) await sleep(SETTLE_MS);
    const after = observe(lasting, network);
    for (const { status, output } of statuses) {
      if (outcome === 'completed' && status !== 0) throw new Error(`ramferry: ${status}: ${output}`);
    }
    const cpuSeconds = after.cpu - before.cpu;
    return {
      outcome,
      total: end - start,
      downtime: outcome === 'completed' ? end - (await source.qmp.event('STOP', mark)).at : undefined,
      wireBytes: after.bytes - before.bytes,
      cpuSeconds,
      others:
        Math.max(0, after.busy - before.busy - cpuSeconds) / ((after.at - before.at) / 1000) / cpus().length,
    };
  } finally {
    for (const ferry of route.ferries) ferry.kill();
  }
}

async function configure(machine: Machine, cell: Cell): Promise<void> {
  const capabilities = ['compress', 'multifd', 'xbzrle'].map((capability) => ({
    capability,
    state: cell.capabilities.includes(capability),
  }));
  await machine.qmp.execute('migrate-set-capabilities', { capabilities });
  const parameters = { ...cell.parameters, 'max-bandwidth': UNLIMITED_BANDWIDTH };
  await machine.qmp.execute('migrate-set-parameters', parameters);
}

async function waitForEnd(
  source: Machine,
  destination: Machine,
  route: Route,
  start: number,
): Promise<Measured['outcome']> {
  const arrived = destination.qmp.event('RESUME').then(() => true);
  // `arrived` rejects when the destination ends before the guest has arrived.
  arrived.catch(() => undefined);
  for (;;) {
    if (await Promise.race([arrived, sleep(POLL_MS, false)])) return 'completed';
    const { status } = await source.qmp.execute<{ status?: string }>('query-migrate');
    if (status === 'failed') {
      const said = await Promise.all(
        route.ferries.map((ferry) => Promise.race([ferry.ended, sleep(1000, undefined)])),
      );
      throw new Error(`QEMU says: migration failed ${JSON.stringify(said)}`);
    }
    if (performance.now() - start > DEADLINE_MS) return 'did not converge';
  }
}

interface Observation {
  readonly at: number;
  readonly bytes: number;
  /** Seconds of processor time of running processes and of all ended children. */
  readonly cpu: number;
  /** Seconds that all processors together were busy. */
  readonly busy: number;
}

function observe(running: readonly Pick<Ferry, 'process'>[], network: Network): Observation {
  const own = running.map(({ process }) => processTimes(`${process.pid}`).self);
  return {
    at: performance.now(),
    bytes: network.bytesSent(),
    cpu: own.reduce((sum, each) => sum + each, 0) + processTimes('self').children,
    busy: busySeconds(),
  };
}

/** proc(5), /proc/pid/stat: fields 14 to 17; the second field is in parentheses and may contain blanks. */
function processTimes(pid: string): { self: number; children: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
  return { self: (user + system) / TICKS_PER_SECOND, children: (childUser + childSystem) / TICKS_PER_SECOND };
}

/** proc(5), the first line of /proc/stat: everything but idle and iowait (fields 4 and 5). */
function busySeconds(): number {
  const [, ...fields] = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/\s+/);
  const [user, nice, system, , , irq, softirq] = fields.map(Number);
  return (user! + nice! + system! + irq! + softirq!) / TICKS_PER_SECOND;
}
