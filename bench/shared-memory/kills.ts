// One migration with a fault, and its verdict: which guest ran when, by QEMU's own events, which guest runs now, and
// whether that agrees with docs/SHARED-MEMORY.md.

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { saveConsoles } from '../../lab/qemu/consoles.js';
import type { Ferry } from '../../lab/ferry.js';
import type { Machine } from '../../lab/qemu/machine.js';
import type { Herd, Member } from './herd.js';

export const KILLS = [
  'source ramferry',
  'destination ramferry',
  'link',
  'silent link',
  'destination QEMU',
] as const;
export type Kill = (typeof KILLS)[number];

export interface Killed {
  readonly what: Kill;
  readonly moment: string;
  readonly outcome: 'source' | 'destination' | 'unknown';
  /** The fault came before the watchdog was set. The destination's QEMU still waits, unchanged. */
  readonly untouched?: boolean;
  /** Violation of the documented rule. */
  readonly wrong?: string;
}

/** Typical duration of a migration on the test machine. The kills are spread over it. */
const TYPICAL_MS = 2500;
/** Time from the guest's stop to the handover, with a margin. */
const TYPICAL_DOWNTIME_MS = 250;
/** Time after which all programs have given up: a destination keeps its outcome for 60 s. */
const SETTLED_MS = 90_000;

/** Kills one target at a random moment. Half of the kills follow the guest's stop, the critical phase. */
export async function killOne(herd: Herd, what: Kill, random: () => number): Promise<Killed> {
  const source = await herd.guest();
  const destination = await herd.start('defer');
  const proxy = new Proxy();
  const late = random() < 0.5;
  const delay = random() * (late ? TYPICAL_DOWNTIME_MS : TYPICAL_MS);
  const moment = `${delay.toFixed(0)} ms after the ${late ? 'stop' : 'start'}`;
  const { events } = source.machine.qmp;
  const mark = events.length;
  const { incoming, migrate } = await herd.ferries(source, destination, [], (address) =>
    proxy.listen(address),
  );
  if (late) await Promise.race([source.machine.qmp.event('STOP', mark), migrate.ended]);
  await Promise.race([sleep(delay), Promise.all([migrate.ended, incoming.ended])]);
  applyFault(what, { incoming, migrate, proxy, destination });
  const ends = await within(Promise.all([migrate.ended, incoming.ended]), SETTLED_MS);
  for (const ferry of [incoming, migrate]) ferry.kill();
  const quiet = await noWatchdogs([source, destination]);
  proxy.close();
  const verdict = await judge(source, destination, { mark, unknown: ends?.[0].status === 7 });
  const wrong =
    ends === undefined ? 'a ramferry does not end' : !quiet ? 'a watchdog does not end' : verdict.wrong;
  const consoles = [source.machine, destination.machine];
  const said =
    wrong === undefined ? {} : { wrong: `${wrong} ${JSON.stringify(ends)} ${saveConsoles(consoles)}` };
  if (verdict.outcome === 'destination' && wrong === undefined && (await alive(destination.machine))) {
    await herd.handedOver(destination);
  } else {
    await herd.end(destination);
    if (verdict.outcome !== 'source' || wrong !== undefined) await herd.restart();
  }
  return { what, moment, outcome: verdict.outcome, untouched: verdict.untouched ?? false, ...said };
}

interface Targets {
  readonly incoming: Ferry;
  readonly migrate: Ferry;
  readonly proxy: Proxy;
  readonly destination: Member;
}

function applyFault(what: Kill, { incoming, migrate, proxy, destination }: Targets): void {
  switch (what) {
    case 'source ramferry':
      return migrate.kill();
    case 'destination ramferry':
      return incoming.kill();
    case 'link':
      return proxy.cut();
    case 'silent link':
      return proxy.silence();
    case 'destination QEMU':
      destination.machine.process.kill('SIGKILL');
  }
}

/** Judges which guest ran when (never both), and which guest runs now. */
async function judge(
  source: Member,
  destination: Member,
  { mark, unknown }: { readonly mark: number; readonly unknown: boolean },
): Promise<Pick<Killed, 'outcome' | 'untouched' | 'wrong'>> {
  const sourceEvents = source.machine.qmp.events.slice(mark);
  const destinationEvents = destination.machine.qmp.events;
  const started = destinationEvents.find(({ name }) => name === 'RESUME')?.happened;
  const runs = await running(source.machine);
  const gone = await within(exited(destination.machine), 5_000);
  if (started !== undefined) {
    const last = sourceEvents.findLast(({ name }) => name === 'STOP' || name === 'RESUME');
    if (last?.name !== 'STOP' || last.happened > started || runs) {
      return {
        outcome: 'destination',
        wrong: `both ran: ${JSON.stringify([sourceEvents, destinationEvents])}`,
      };
    }
    return { outcome: 'destination' };
  }
  if (unknown)
    return runs ? { outcome: 'unknown', wrong: 'unknown, and the source runs' } : { outcome: 'unknown' };
  if (!runs) return { outcome: 'source', wrong: 'neither guest runs' };
  if (gone !== undefined) return { outcome: 'source' };
  if (await touched(destination.machine))
    return { outcome: 'source', wrong: "the destination's QEMU lives on" };
  return { outcome: 'source', untouched: true };
}

async function running(machine: Machine): Promise<boolean> {
  return (await machine.qmp.execute<{ running: boolean }>('query-status')).running;
}

/** Whether ramferry has changed the destination's QEMU. Before its watchdog is set, QEMU may wait for another attempt. */
async function touched(machine: Machine): Promise<boolean> {
  const all = await machine.qmp.execute<{ capability: string; state: boolean }[]>(
    'query-migrate-capabilities',
  );
  return all.some(({ capability, state }) => capability === 'x-ignore-shared' && state);
}

async function alive(machine: Machine): Promise<boolean> {
  try {
    return (await machine.ask('echo here')) === 'here';
  } catch {
    return false;
  }
}

async function exited(machine: Machine): Promise<true> {
  const { process: child } = machine;
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return true;
}

async function within<T>(promise: Promise<T>, limit: number): Promise<T | undefined> {
  const controller = new AbortController();
  const late = sleep(limit, undefined, { signal: controller.signal }).catch(() => undefined);
  const first = await Promise.race([promise, late]);
  controller.abort();
  return first;
}

/** Whether no watchdog runs. Watchdogs have no parent process, so the monitors in their arguments identify them. */
async function noWatchdogs(members: readonly Member[]): Promise<boolean> {
  const until = performance.now() + SETTLED_MS;
  while (performance.now() < until) {
    if (!members.some(({ machine }) => watched(machine.monitor))) return true;
    await sleep(20);
  }
  return false;
}

function watched(monitor: string): boolean {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return line.includes('watchdog-main.js') && line.includes(`"${monitor}"`);
      } catch {
        return false;
      }
    });
}

/** The link of a trial. It can be cut, or stall. */
class Proxy {
  readonly #server = net.createServer({ allowHalfOpen: true });
  readonly #sockets: net.Socket[] = [];

  async listen(address: string): Promise<string> {
    const [, host, port] = /^tcp:(.+):(\d+)$/.exec(address)!;
    this.#server.on('connection', (near) => {
      const far = net.connect({ host: host!, port: Number(port), allowHalfOpen: true });
      this.#sockets.push(near, far);
      near.pipe(far);
      far.pipe(near);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        socket.setNoDelay(true);
        socket.on('error', () => other.destroy());
        socket.on('close', () => other.destroy());
      }
    });
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `tcp:127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#server.close();
  }

  silence(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
