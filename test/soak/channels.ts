// `scripts/soak --channels N`: a guest that counts moves N times in each way in which QEMU opens several connections: multifd with 2, 4 and 8
// channels, none and zstd; postcopy without and with preempt; postcopy that breaks and recovers; a cancelled multifd. After each the guest runs
// on exactly one side, no lap is lost or repeated, and memory that it does not write is the same. RAMFERRY_SOAK_QEMU names the root
// directory of another system with QEMU. With --direct the same goes from QEMU to QEMU, which tells what fails without ramferry, too.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { undoLater } from '../../lab/cleanup.js';
import { Ferry } from '../../lab/ferry.js';
import { BareMachine } from '../../lab/qemu/bare-machine.js';
import { CountingGuest } from '../../lab/qemu/counting-guest.js';
import { generateImage } from '../../src/image/image.js';
import { KIB, MIB } from '../../src/units.js';

const ROOT = 'RAMFERRY_SOAK_QEMU';
const QEMU = '/usr/bin/qemu-system-x86_64';
const MEMORY_MIB = 128;
/** The guest writes below 64 MiB. */
const KEPT_AT = 64 * MIB;
const KEPT_BYTES = 24 * MIB;
const GUEST = { filled: 8 * MIB, rewritten: 256 * KIB };
/** Bytes a second, where something must happen in the middle. */
const SLOW = 8 * MIB;
const MIDDLE = 4 * MIB;
/** A guest that runs counts within this time. */
const WATCHED_MS = 700;
/** Longer than QEMU's own waits of a minute in one trial. */
const TRIAL_MS = 240_000;

interface Stage {
  /** Without ramferry: QEMU to QEMU. */
  readonly direct: boolean;
  /** Of the system with QEMU; `/` = this one. */
  readonly root: string;
  readonly directory: string;
  readonly kept: Buffer;
  readonly guest: CountingGuest;
}

interface Trial {
  readonly stage: Stage;
  readonly source: BareMachine;
  readonly destination: BareMachine;
  /** For `migrate`, and for `migrate-incoming`. */
  readonly uri: string;
  readonly incoming: string;
  /** Absent without ramferry. */
  readonly ferries?: { readonly send: Ferry; readonly receive: Ferry };
}

interface Way {
  readonly name: string;
  readonly capabilities: readonly string[];
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly connections: number;
  /** What happens while it migrates. Default: nothing, without a limit of the rate. */
  readonly during?: (trial: Trial) => Promise<void>;
  readonly staysAtSource?: boolean;
}

const MULTIFD: readonly Way[] = [2, 4, 8].flatMap((channels) =>
  ['none', 'zstd'].map((compression) => ({
    name: `multifd ${channels}, ${compression}`,
    capabilities: ['multifd'],
    parameters: { 'multifd-channels': channels, 'multifd-compression': compression },
    connections: channels + 1,
  })),
);

const WAYS: readonly Way[] = [
  ...MULTIFD,
  { name: 'postcopy', capabilities: ['postcopy-ram'], connections: 2, during: switchOver },
  {
    name: 'postcopy with preempt',
    capabilities: ['postcopy-ram', 'postcopy-preempt'],
    connections: 2,
    during: switchOver,
  },
  { name: 'postcopy, paused and recovered', capabilities: ['postcopy-ram'], connections: 2, during: recover },
  { ...MULTIFD[2]!, name: 'multifd 4, none, cancelled', during: cancel, staysAtSource: true },
];

async function inTheMiddle({ source, uri }: Trial): Promise<void> {
  await source.migrate(uri, SLOW);
  await source.migrationUntil(({ ram }) => (ram?.transferred ?? 0) > MIDDLE);
}

async function switchOver(trial: Trial): Promise<void> {
  await inTheMiddle(trial);
  await trial.source.qmp.execute('migrate-start-postcopy');
  await trial.source.qmp.execute('migrate-set-parameters', { 'max-postcopy-bandwidth': 0 });
}

async function recover(trial: Trial): Promise<void> {
  const { source, destination, ferries, uri, incoming } = trial;
  await source.qmp.execute('migrate-set-parameters', { 'max-postcopy-bandwidth': SLOW / 2 });
  await inTheMiddle(trial);
  await source.qmp.execute('migrate-start-postcopy');
  // A break before the destination runs ends QEMU 7.2 there.
  await destination.qmp.event('RESUME');
  await source.qmp.execute('migrate-pause');
  for (const side of [source, destination])
    await side.migrationUntil(({ status }) => status === 'postcopy-paused');
  await ferries?.send.says(/postcopy broke off/);
  await destination.qmp.execute('migrate-recover', { uri: incoming });
  await source.qmp.execute('migrate-set-parameters', { 'max-postcopy-bandwidth': 0 });
  await source.qmp.execute('migrate', { uri, resume: true });
}

async function cancel(trial: Trial): Promise<void> {
  await inTheMiddle(trial);
  await trial.source.qmp.execute('migrate_cancel');
}

async function machine(
  stage: Stage,
  name: string,
  more: readonly string[],
  incoming?: string,
): Promise<BareMachine> {
  const { root, directory, guest } = stage;
  rmSync(join(directory, `${name}.count`), { force: true });
  const args = [...guest.args(name), ...more].map((each) => inside(stage, each));
  return BareMachine.start({
    ...{ name, directory, args, root, memoryMiB: MEMORY_MIB },
    ...(root === '/' ? {} : { program: ['chroot', root, QEMU] }),
    ...(incoming === undefined ? {} : { incoming }),
  });
}

/** The paths in a text as QEMU sees them. */
function inside({ root }: Stage, text: string): string {
  return root === '/' ? text : text.replaceAll(root, '');
}

async function prepare(stage: Stage, way: Way, machines: BareMachine[], ferries: Ferry[]): Promise<Trial> {
  const at = (name: string): string => join(stage.directory, name);
  for (const name of ['in', 'out']) rmSync(at(name), { force: true });
  const loader = ['-device', `loader,file=${at('kept')},addr=${KEPT_AT},force-raw=on`];
  const source = await machine(stage, 'source', loader);
  machines.push(source);
  const destination = await machine(stage, 'destination', [], 'defer');
  machines.push(destination);
  for (const side of machines) {
    await side.capabilities('return-path', ...way.capabilities);
    await side.qmp.execute('migrate-set-parameters', way.parameters ?? {});
  }
  const incoming = inside(stage, `unix:${at('in')}`);
  await destination.qmp.execute('migrate-incoming', { uri: incoming });
  if (stage.direct) {
    await counts(stage);
    return { stage, source, destination, incoming, uri: incoming };
  }
  const several = `--hypervisor-connections=${way.connections}`;
  const receive = new Ferry(['receive', several, 'tcp-listen:127.0.0.1:0', `unix:${at('in')}`]);
  ferries.push(receive);
  const link = await receive.listening();
  const send = new Ferry(['send', several, `unix-listen:${at('out')}`, link]);
  ferries.push(send);
  await send.listening();
  await counts(stage);
  const uri = inside(stage, `unix:${at('out')}`);
  return { stage, source, destination, ferries: { send, receive }, incoming, uri };
}

function counts({ guest }: Stage): Promise<void> {
  return until('the guest counts', () => guest.counted('source').length > 10);
}

/** @throws Error with what is wrong */
async function judge(trial: Trial, { staysAtSource = false }: Way): Promise<void> {
  const { stage, source, destination, ferries } = trial;
  const ended = await source.migrationEnd();
  if (ended !== (staysAtSource ? 'cancelled' : 'completed')) throw new Error(`the source says ${ended}`);
  if (!staysAtSource && (await destination.migrationEnd()) !== 'completed')
    throw new Error('the destination has failed');
  if (ferries !== undefined) {
    const ends = await Promise.all([ferries.send.ended, ferries.receive.ended]);
    const isZero = ends.map(({ status }) => status === 0);
    if (isZero.includes(staysAtSource)) throw new Error(`send ${ends[0].status}, receive ${ends[1].status}`);
  }
  const counts = (): number[] => ['source', 'destination'].map((name) => stage.guest.counted(name).length);
  const before = counts();
  await sleep(WATCHED_MS);
  const runs = counts().map((length, side) => length > before[side]!);
  if (runs[0] !== staysAtSource || runs[1] === staysAtSource)
    throw new Error(`the guest runs at the source: ${runs[0]}, at the destination: ${runs[1]}`);
  stage.guest.counted('source', 'destination').forEach((lap, index) => {
    if (lap !== ((index + 1) & 0xffff)) throw new Error(`lap ${index + 1} is ${lap}`);
  });
  const saved = join(stage.directory, 'arrived');
  await (staysAtSource ? source : destination).qmp.execute('pmemsave', {
    ...{ val: KEPT_AT, size: KEPT_BYTES, filename: inside(stage, saved) },
  });
  if (!readFileSync(saved).equals(stage.kept)) throw new Error('other bytes have arrived');
}

async function play(stage: Stage, way: Way): Promise<string | undefined> {
  const machines: BareMachine[] = [];
  const ferries: Ferry[] = [];
  const run = async (): Promise<undefined> => {
    const trial = await prepare(stage, way, machines, ferries);
    await (way.during?.(trial) ?? trial.source.migrate(trial.uri));
    await judge(trial, way);
  };
  const late = sleep(TRIAL_MS, 'hang', { ref: false });
  const problem = await Promise.race([run(), late]).catch((thrown: unknown) => String(thrown));
  const said = ferries.map(({ output }) => output.trim().slice(-400)).join(' | ');
  for (const ferry of ferries) ferry.kill();
  await Promise.all(machines.map((each) => each.dispose()));
  const errors = (await Promise.all(machines.map(({ ended }) => ended)))
    .map(({ errors: text }) => text.trim().slice(-400))
    .join(' | ');
  return problem && `${problem}: ${said}; ${errors}`;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within a minute: ${what}`);
    await sleep(50);
  }
}

/** @returns how many trials failed */
export async function soakChannels(
  trials: number,
  only: string | undefined,
  direct: boolean,
): Promise<number> {
  const root = process.env[ROOT] ?? '/';
  const directory = mkdtempSync(join(root, 'tmp', 'ramferry-channels-'));
  const remove = undoLater(() => rmSync(directory, { recursive: true, force: true }));
  const kept = Buffer.concat([...generateImage({ bytes: KEPT_BYTES, seed: 7, profile: 'busy' })]);
  writeFileSync(join(directory, 'kept'), kept);
  const stage: Stage = { direct, root, directory, kept, guest: new CountingGuest(directory, GUEST) };
  const ways = WAYS.filter(({ name }) => only === undefined || name === only);
  if (ways.length === 0) throw new Error(`--only is one of: ${WAYS.map(({ name }) => name).join('; ')}`);
  let failed = 0;
  for (const way of ways) {
    let intact = 0;
    for (let trial = 1; trial <= trials; trial++) {
      const problem = await play(stage, way);
      if (problem === undefined) intact++;
      else process.stdout.write(`${way.name}, ${trial}: ${problem}\n`);
    }
    failed += trials - intact;
    process.stdout.write(`${String(intact).padStart(5)} of ${trials}  ${way.name}\n`);
  }
  remove();
  process.stdout.write(`channels: ${ways.length * trials} migrations, ${failed} failed\n`);
  return failed;
}
