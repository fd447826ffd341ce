// `scripts/soak --libvirt N`: a guest that counts moves between two real libvirtd through `send` and `receive`: N times in each way that
// works, with N/2 cancellations, and with N/2 kills of each of the destination's daemon, `send` and `receive`. After every trial the guest
// must run on exactly one side, without a lap lost or repeated. Needs root. RAMFERRY_SOAK_LIBVIRT names the root directory of another
// system with libvirt and QEMU.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { undoLater } from '../../lab/cleanup.js';
import { Command, ramferry } from '../../lab/command.js';
import { createNetwork, type Network } from '../../lab/network.js';
import { CountingGuest, readLaps } from '../../lab/qemu/counting-guest.js';
import { LibvirtHost, missingLibvirt } from '../../lab/qemu/libvirt-host.js';
import { Mulberry32 } from '../../lab/random.js';
import { KIB, MIB } from '../../src/units.js';

const ROOT = 'RAMFERRY_SOAK_LIBVIRT';
const GUEST = 'counter';
/** 16 MiB that do not compress take about two seconds over this link. */
const LINK = '80mbit';
const GUEST_BYTES = { filled: 16 * MIB, rewritten: 256 * KIB };
/** A cancellation or kill comes so long after the command `migrate` at the latest. */
const LATEST_MS = 4000;
const PORT = 4444;
/** The same paths at both hosts, in file systems of their own. */
const COUNT = '/var/lib/libvirt/qemu/count';
const SOCKET = '/var/lib/libvirt/qemu/rf.sock';
/** After a trial both sides come to rest within this time. */
const REST_MS = 60_000;
/** A migration that takes longer hangs. */
const MIGRATION_MS = 90_000;
/** A guest that runs counts within this time. */
const WATCHED_MS = 700;

/** A way to migrate, as words of `virsh migrate`. */
interface Way {
  readonly name: string;
  readonly flags: readonly string[];
}

const WAYS: readonly Way[] = [
  { name: 'plain', flags: [] },
  { name: '--p2p', flags: ['--p2p'] },
  { name: '--persistent --undefinesource', flags: ['--persistent', '--undefinesource'] },
  { name: '--postcopy', flags: ['--postcopy'] },
];

/** What is done to a migration: nothing, `virsh domjobabort`, or SIGKILL to one of the programs. */
type Fault = 'none' | 'cancel' | "the destination's libvirtd" | 'send' | 'receive';
const FAULTS: readonly Fault[] = ['cancel', "the destination's libvirtd", 'send', 'receive'];

interface Stage {
  readonly source: LibvirtHost;
  readonly destination: LibvirtHost;
  readonly network: Network;
  /** A file with the guest's description. */
  readonly domain: string;
  readonly draw: Mulberry32;
}

interface Outcome {
  readonly text: string;
  readonly isViolation: boolean;
}

/** The two ends of ramferry. */
interface Ferries {
  readonly send: Command;
  readonly receive: Command;
}

/** @returns the number of violations */
export async function soakLibvirt(trials: number, seed: number, only: string | undefined): Promise<number> {
  const missing = missingLibvirt();
  if (missing !== false) throw new Error(missing);
  const root = process.env[ROOT] ?? '/';
  const directory = mkdtempSync(join(root, 'tmp', 'ramferry-libvirt-'));
  const removed = undoLater(() => rmSync(directory, { recursive: true, force: true }));
  const network = createNetwork(LINK);
  const hosts: LibvirtHost[] = [];
  try {
    for (const side of ['source', 'destination'] as const) {
      hosts.push(await LibvirtHost.start({ name: side, directory, root, namespace: network[side] }));
    }
    const [source, destination] = hosts as [LibvirtHost, LibvirtHost];
    const domain = join(directory, 'guest.xml');
    const { image } = new CountingGuest(directory, GUEST_BYTES);
    writeFileSync(domain, description(root === '/' ? image : image.slice(root.length)));
    const stage = { source, destination, network, domain, draw: new Mulberry32(seed) };
    return await allTrials(stage, trials, only);
  } finally {
    for (const host of hosts) await host.dispose();
    network.remove();
    removed();
  }
}

async function allTrials(stage: Stage, trials: number, only: string | undefined): Promise<number> {
  const half = Math.ceil(trials / 2);
  const plan: [Way, Fault][] = [
    ...WAYS.flatMap((way) => Array.from({ length: trials }, (): [Way, Fault] => [way, 'none'])),
    ...FAULTS.flatMap((fault) => Array.from({ length: half }, (): [Way, Fault] => [WAYS[0]!, fault])),
  ].filter(([{ name }, fault]) => only === undefined || only === name || only === fault);
  const counts = new Map<string, number>();
  let violations = 0;
  for (const [way, fault] of plan) {
    const { text, isViolation } = await trial(stage, way, fault);
    if (isViolation) violations++;
    const line = `${way.name}${fault === 'none' ? '' : `, ${fault}`}: ${isViolation ? 'VIOLATION' : text}`;
    process.stdout.write(`${isViolation ? `${line}: ${text}` : line}\n`);
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  process.stdout.write('\n');
  for (const [line, count] of counts) process.stdout.write(`${String(count).padStart(5)}  ${line}\n`);
  process.stdout.write(`libvirt: ${plan.length} trials, ${violations} violations\n`);
  return violations;
}

async function trial(stage: Stage, way: Way, fault: Fault): Promise<Outcome> {
  await begin(stage, way.flags.includes('--persistent'));
  const ferries = await startFerries(stage);
  const { source, destination } = stage;
  const peer = way.flags.includes('--p2p') ? destination.peerUri : destination.uri;
  const words = ['migrate', '--live', ...way.flags, '--migrateuri', `unix://${SOCKET}`, GUEST, peer];
  const migration = new Command(['virsh', '-q', '-c', source.uri, ...words]);
  const hanging = setTimeout(() => migration.process.kill('SIGKILL'), MIGRATION_MS);
  try {
    const [{ status, output }] = await Promise.all([migration.ended, strike(stage, fault, ferries)]);
    try {
      for (const host of [source, destination]) await atRest(host);
      const side = await sideThatRuns(stage, status === 0);
      if (fault === 'none' && status !== 0) throw new Error('it has failed without a fault');
      return {
        text: `virsh says ${status === 0 ? 'moved' : 'failed'}, runs at the ${side}`,
        isViolation: false,
      };
    } catch (thrown) {
      const states = [source, destination].map((host) => host.state(GUEST) ?? 'none').join(' / ');
      const said = [output, ferries.send.output, ferries.receive.output].map((each) =>
        each.trim().slice(-300),
      );
      return { text: `${(thrown as Error).message}; ${states}; ${said.join(' | ')}`, isViolation: true };
    }
  } finally {
    clearTimeout(hanging);
    for (const ferry of [ferries.send, ferries.receive]) ferry.kill();
  }
}

/** A new guest at the source, none at the destination. */
async function begin({ source, destination, domain }: Stage, isPersistent: boolean): Promise<void> {
  for (const host of [source, destination]) {
    host.virsh('destroy', GUEST);
    host.virsh('undefine', GUEST);
    for (const path of [COUNT, SOCKET]) rmSync(host.path(path), { force: true });
  }
  const steps = isPersistent
    ? [
        ['define', domain],
        ['start', GUEST],
      ]
    : [['create', domain]];
  for (const step of steps) {
    const { status, said } = source.virsh(...step);
    if (status !== 0) throw new Error(`virsh ${step.join(' ')}: ${said}`);
  }
  // The guest fills its memory before it counts.
  await until('the guest counts', () => laps(source).length > 10);
}

async function startFerries({ source, destination, network }: Stage): Promise<Ferries> {
  const address = `${network.address}:${PORT}`;
  const at = (host: LibvirtHost, ...words: readonly string[]): Command =>
    new Command(host.command([...ramferry(...words), '--json']));
  const receive = at(destination, 'receive', `tcp-listen:${address}`, `unix:${destination.within(SOCKET)}`);
  await receive.listening();
  const send = at(source, 'send', `unix-listen:${source.within(SOCKET)}`, `tcp:${address}`);
  await send.listening();
  return { send, receive };
}

async function strike({ source, destination, draw }: Stage, fault: Fault, ferries: Ferries): Promise<void> {
  if (fault === 'none') return;
  await sleep(draw.unit() * LATEST_MS);
  if (fault === 'cancel') source.virsh('domjobabort', GUEST);
  else if (fault === "the destination's libvirtd") destination.kill();
  else ferries[fault].kill('SIGKILL');
}

/** The daemon answers and migrates nothing. */
async function atRest(host: LibvirtHost): Promise<void> {
  await host.ready();
  const rest = new Set([undefined, 'running', 'shut off']);
  await until(`${host.name} is at rest`, () => rest.has(host.state(GUEST)));
}

/** @throws Error where the guest does not run on exactly one side, has lost or repeated a lap, or libvirt says otherwise */
async function sideThatRuns(
  { source, destination }: Stage,
  hasMoved: boolean,
): Promise<'source' | 'destination'> {
  const before = [source, destination].map((host) => laps(host).length);
  await sleep(WATCHED_MS);
  const [here, there] = [laps(source), laps(destination)];
  const [isHere, isThere] = [here.length > before[0]!, there.length > before[1]!];
  if (isHere && isThere) throw new Error('the guest runs on both sides');
  if (!isHere && !isThere) throw new Error('the guest runs nowhere');
  (isHere ? here : [...here, ...there]).forEach((lap, index) => {
    if (lap !== ((index + 1) & 0xffff)) throw new Error(`lap ${index + 1} is ${lap}`);
  });
  const states = [source, destination].map((host) => host.state(GUEST) === 'running');
  if (states[0] !== isHere || states[1] !== isThere) throw new Error("libvirt's states do not fit");
  if (hasMoved && isHere) throw new Error('virsh has succeeded, and the guest has stayed');
  return isHere ? 'source' : 'destination';
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + REST_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within a minute: ${what}`);
    await sleep(100);
  }
}

function laps(host: LibvirtHost): number[] {
  const path = host.path(COUNT);
  return existsSync(path) ? readLaps(path) : [];
}

function description(image: string): string {
  return `<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>${GUEST}</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/><controller type='usb' model='none'/>
    <disk type='file'><driver name='qemu' type='raw'/><source file='${image}'/><target dev='sda' bus='scsi'/><readonly/></disk>
    <controller type='scsi' model='virtio-scsi'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-chardev'/><qemu:arg value='file,id=count,path=${COUNT}'/>
    <qemu:arg value='-device'/><qemu:arg value='isa-debugcon,chardev=count'/>
  </qemu:commandline>
</domain>
`;
}
