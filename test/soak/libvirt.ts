// `scripts/soak --libvirt N`: a guest that counts moves between two real libvirtd through `send` and `receive`: N times in each way that
// works, with N/2 cancellations, and with N/2 kills of each daemon, `send` and `receive`. After every trial the guest
// must run on exactly one side, without a lap lost or repeated. Needs root. RAMFERRY_SOAK_LIBVIRT names the root directory of another
// system with libvirt and QEMU.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { CommandEnd } from '../../src/os/process/command-process.js';
import { undoLater } from '../../lab/cleanup.js';
import { Command, ramferry } from '../../lab/command.js';
import { createNetwork, type Network } from '../../lab/network.js';
import { CountingGuest, lapsOf } from '../../lab/qemu/counting-guest.js';
import { LibvirtHost, missingLibvirt } from '../../lab/qemu/libvirt-host.js';
import { Mulberry32 } from '../../lab/random.js';
import { KIB, MIB } from '../../src/units.js';
import { type Fault, FAULTS, PLAIN, type Way, WAYS } from './libvirt-ways.js';

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
const SAID_CHARACTERS = 600;
/** A guest that runs counts within this time. */
const WATCHED_MS = 700;

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
    ...FAULTS.flatMap((fault) => Array.from({ length: half }, (): [Way, Fault] => [PLAIN, fault])),
  ].filter(([way, fault]) => isWanted(way, fault, only));
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

function isWanted({ name, isBroken = false }: Way, fault: Fault, only: string | undefined): boolean {
  return only === undefined ? !isBroken : only === (fault === 'none' ? name : fault);
}

async function trial(stage: Stage, way: Way, fault: Fault): Promise<Outcome> {
  await begin(stage, way.flags.includes('--persistent'));
  const ferries = await startFerries(stage, way.connections ?? 1);
  const { source, destination } = stage;
  let said = '';
  try {
    const { status, output } = await migrate(stage, way, strike(stage, fault, ferries));
    said = output;
    for (const host of [source, destination]) await atRest(host);
    const side = await sideThatRuns(stage, status === 0);
    if (fault === 'none' && status !== 0 && way.isBroken !== true)
      throw new Error('it has failed without a fault');
    if (way.isBroken === true && side === 'source') throw new Error('the guest has not moved');
    if (way.isSwitched === true && !ferries.send.output.includes('goes postcopy'))
      throw new Error('it has not switched to postcopy');
    return {
      text: `virsh says ${status === 0 ? 'moved' : 'failed'}, runs at the ${side}`,
      isViolation: false,
    };
  } catch (thrown) {
    const states = [source, destination].map((host) => host.state(GUEST) ?? 'none').join(' / ');
    const all = [said, ferries.send.output, ferries.receive.output].map(lastOf);
    return { text: `${(thrown as Error).message}; ${states}; ${all.join(' | ')}`, isViolation: true };
  } finally {
    for (const ferry of [ferries.send, ferries.receive]) ferry.kill();
  }
}

/** Resolves with the end of the last `virsh migrate`, and after `fault`. */
async function migrate(stage: Stage, way: Way, fault: Promise<void>): Promise<CommandEnd> {
  const { source, destination } = stage;
  const peer = way.flags.includes('--p2p') ? destination.peerUri : destination.uri;
  const once = async (...flags: readonly string[]): Promise<CommandEnd> => {
    const words = ['migrate', '--live', ...flags, '--migrateuri', `unix://${SOCKET}`, GUEST, peer];
    const migration = new Command(['virsh', '-q', '-c', source.uri, ...words]);
    const hanging = setTimeout(() => migration.process.kill('SIGKILL'), MIGRATION_MS);
    return migration.ended.finally(() => clearTimeout(hanging));
  };
  const ending = once(...way.flags);
  if (way.isSwitched === true) {
    await until('postcopy', () => source.virsh('migrate-postcopy', GUEST).status === 0);
  }
  if (way.isBroken === true) {
    // A postcopy that breaks before the destination has the state of the devices leaves no guest.
    for (const host of [source, destination])
      await until('postcopy', () => host.virsh('domstate', GUEST, '--reason').said.includes('post-copy'));
    source.virsh('domjobabort', GUEST, '--postcopy');
    const { status, output } = await ending;
    if (status === 0) throw new Error(`the postcopy has not broken: ${output}`);
    return resumed(() => once('--postcopy', '--postcopy-resume'));
  }
  const [end] = await Promise.all([ending, fault]);
  return end;
}

/** Each daemon notices in its own time that the postcopy has broken, and refuses to resume it before. */
async function resumed(resume: () => Promise<CommandEnd>): Promise<CommandEnd> {
  const deadline = performance.now() + REST_MS;
  for (;;) {
    const end = await resume();
    const isEarly = end.status !== 0 && /monitored by another thread/.test(end.output);
    if (!isEarly || performance.now() > deadline) return end;
    await sleep(500);
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
  await until('the guest counts', () => written(source).length > 20);
}

async function startFerries({ source, destination, network }: Stage, connections: number): Promise<Ferries> {
  const address = `${network.address}:${PORT}`;
  const several = connections === 1 ? [] : [`--hypervisor-connections=${connections}`];
  const at = (host: LibvirtHost, ...words: readonly string[]): Command =>
    new Command(host.command([...ramferry(...words, ...several), '--json']));
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
  else if (fault === "the source's libvirtd") source.kill();
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
  const before = [source, destination].map((host) => written(host).length);
  await sleep(WATCHED_MS);
  const [here, there] = [written(source), written(destination)];
  const [isHere, isThere] = [here.length > before[0]!, there.length > before[1]!];
  if (isHere && isThere) throw new Error('the guest runs on both sides');
  if (!isHere && !isThere) throw new Error('the guest runs nowhere');
  lapsOf(isHere ? here : Buffer.concat([here, there])).forEach((lap, index) => {
    if (lap !== ((index + 1) & 0xffff)) throw new Error(`lap ${index + 1} is ${lap}`);
  });
  const states = [source, destination].map((host) => host.state(GUEST) === 'running');
  if (states[0] !== isHere || states[1] !== isThere) throw new Error("libvirt's states do not fit");
  if (hasMoved && isHere) throw new Error('virsh has succeeded, and the guest has stayed');
  return isHere ? 'source' : 'destination';
}

/** The end of what a program has said, without its progress. */
function lastOf(output: string): string {
  const lines = output.split('\n').filter((line) => !line.includes('"status"'));
  return lines.join('\n').trim().slice(-SAID_CHARACTERS);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + REST_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within a minute: ${what}`);
    await sleep(100);
  }
}

/** What the guest has written at this host. */
function written(host: LibvirtHost): Buffer {
  const path = host.path(COUNT);
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
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
