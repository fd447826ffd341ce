// `scripts/soak --outages N`: a guest that counts moves over a cable that goes down for five seconds (`ip link set down`): N times in the
// middle of its memory, and N times in the last round, while it stands; by `send` and `receive`, and by two `serve`. Both sides have --reconnect. The
// guest must arrive without a lap lost or repeated; the longest time without a lap is what it saw. Needs root.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { scratchDirectory } from '../../lab/cleanup.js';
import { Ferry } from '../../lab/ferry.js';
import { createNetwork, type Network } from '../../lab/network.js';
import { BareMachine } from '../../lab/qemu/bare-machine.js';
import { CountingGuest } from '../../lab/qemu/counting-guest.js';
import { generateImage } from '../../src/image/image.js';
import { MIB } from '../../src/units.js';

const OUTAGE_MS = 5_000;
const LINK = '200mbit';
/** The last round carries what a lap rewrites, which takes about a second. */
const RATE = '8MB';
const GUEST = { rewritten: 6 * MIB };
const DOWNTIME_LIMIT_MS = 4_000;
/** The guest writes below 64 MiB. */
const KEPT_AT = 64 * MIB;
const KEPT_BYTES = 24 * MIB;
const LOOK_MS = 10;
const WATCHED_MS = 2_000;
const TRIAL_MS = 180_000;

type Moment = 'in the middle' | 'in the last round';
/** What carries the guest. */
const WAYS = ['send', 'serve'] as const;
type Way = (typeof WAYS)[number];
/** The guest's name at the servers. */
const NAME = 'guest';
const INCOMING = `${NAME}.in`;
const OUTGOING = `${NAME}.out`;

interface Stage {
  readonly directory: string;
  readonly kept: Buffer;
  readonly guest: CountingGuest;
  readonly network: Network;
}

interface Seen {
  readonly problem: string | undefined;
  /** Milliseconds. */
  readonly pause: number;
}

const SIDES = ['source', 'destination'] as const;

/** The longest time without a lap on either side. */
class LapWatch {
  #longest = 0;
  #laps = 0;
  #at = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #paths: readonly string[];

  constructor(directory: string) {
    this.#paths = SIDES.map((side) => join(directory, `${side}.count`));
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    const laps = this.#paths.reduce((sum, path) => sum + (existsSync(path) ? statSync(path).size : 0), 0);
    const now = performance.now();
    if (laps === this.#laps) return;
    if (this.#laps > 0) this.#longest = Math.max(this.#longest, now - this.#at);
    this.#laps = laps;
    this.#at = now;
  }

  /** @returns milliseconds */
  end(): number {
    clearInterval(this.#timer);
    return this.#longest;
  }
}

async function start(
  stage: Stage,
  name: (typeof SIDES)[number],
  more: readonly string[],
): Promise<BareMachine> {
  rmSync(join(stage.directory, `${name}.count`), { force: true });
  const machine = await BareMachine.start({
    ...{ name, directory: stage.directory, memoryMiB: 128, args: [...stage.guest.args(name), ...more] },
    ...(name === 'destination' ? { incoming: `unix:${join(stage.directory, INCOMING)}` } : {}),
  });
  await machine.capabilities('return-path');
  return machine;
}

async function outage({ network }: Stage): Promise<void> {
  const cable = (state: string): void => {
    execFileSync('ip', ['-n', network.source, 'link', 'set', 'link0', state]);
  };
  cable('down');
  await sleep(OUTAGE_MS);
  cable('up');
}

/** Starts both ends. @returns what resolves when the guest has been carried */
async function connect(
  { directory, network }: Stage,
  way: Way,
  ferries: Ferry[],
): Promise<() => Promise<void>> {
  const reconnect = '--reconnect=30s';
  const limit = `--downtime-limit=${DOWNTIME_LIMIT_MS}ms`;
  const here = [reconnect, `--max-bandwidth=${RATE}`, '--codec=none', limit];
  const at = (name: string): string => join(directory, name);
  const address = `tcp:${network.address}:4444`;
  const [destination, source] =
    way === 'send'
      ? [
          ['receive', reconnect, `tcp-listen:${network.address}:4444`, `unix:${at(INCOMING)}`],
          ['send', ...here, `unix-listen:${at(OUTGOING)}`, address],
        ]
      : [
          ['serve', reconnect, '--insecure', `--incoming=unix:${at('{name}.in')}`, `--listen=${address}`],
          [
            'serve',
            ...here,
            '--insecure',
            `--outgoing=unix-listen:${at('{name}.out')}`,
            `--connect=${address}`,
          ],
        ];
  if (way === 'serve') source.push(`--guest=${NAME}`);
  for (const [args, namespace] of [
    [destination, network.destination],
    [source, network.source],
  ] as const) {
    const ferry = new Ferry(args, namespace);
    ferries.push(ferry);
    await (args === destination || way === 'send' ? ferry.listening() : socket(at(OUTGOING)));
  }
  return async () => {
    for (const ferry of ferries) {
      const { status } =
        way === 'send' ? { status: (await ferry.ended).status } : await ferry.line('transfer');
      if (status !== 0 && status !== 'completed') throw new Error(`an end of ${way} says ${String(status)}`);
    }
  };
}

async function socket(path: string): Promise<void> {
  while (!existsSync(path)) await sleep(20);
}

interface Trial {
  readonly way: Way;
  readonly moment: Moment;
  readonly machines: BareMachine[];
  readonly ferries: Ferry[];
}

async function carry(stage: Stage, { way, moment, machines, ferries }: Trial): Promise<void> {
  const { directory, guest, kept } = stage;
  const at = (name: string): string => join(directory, name);
  for (const name of [INCOMING, OUTGOING]) rmSync(at(name), { force: true });
  const loader = ['-device', `loader,file=${at('kept')},addr=${KEPT_AT},force-raw=on`];
  machines.push(await start(stage, 'source', loader), await start(stage, 'destination', []));
  const [source, destination] = machines as [BareMachine, BareMachine];
  const carried = await connect(stage, way, ferries);
  while (guest.counted('source').length < 5) await sleep(50);
  await source.qmp.execute('migrate-set-parameters', { 'downtime-limit': DOWNTIME_LIMIT_MS });
  await source.migrate(`unix:${at(OUTGOING)}`);
  if (moment === 'in the last round') await source.qmp.event('STOP');
  else await source.migrationUntil(({ ram }) => (ram?.transferred ?? 0) > KEPT_BYTES / 4);
  await outage(stage);
  await carried();
  for (const side of machines) {
    const said = await side.migrationEnd();
    if (said !== 'completed') throw new Error(`a QEMU says ${said}`);
  }
  if (!ferries[1]!.output.includes('is back after')) throw new Error('the link did not break');
  await sleep(WATCHED_MS);
  const laps = guest.counted(...SIDES);
  const wrong = laps.findIndex((lap, index) => lap !== ((index + 1) & 0xffff));
  if (wrong >= 0) throw new Error(`lap ${wrong + 1} is ${laps[wrong]}`);
  if (guest.counted('destination').length === 0) throw new Error('the guest does not run at the destination');
  const saved = { val: KEPT_AT, size: KEPT_BYTES, filename: at('arrived') };
  await destination.qmp.execute('pmemsave', saved);
  if (!readFileSync(at('arrived')).equals(kept)) throw new Error('other bytes have arrived');
}

async function play(stage: Stage, way: Way, moment: Moment): Promise<Seen> {
  const machines: BareMachine[] = [];
  const ferries: Ferry[] = [];
  const watch = new LapWatch(stage.directory);
  const late = sleep(TRIAL_MS, 'hang', { ref: false });
  const carried = carry(stage, { way, moment, machines, ferries }).then(() => undefined);
  const problem = await Promise.race([carried, late]).catch((thrown: unknown) => String(thrown));
  const pause = watch.end();
  const said = ferries.map(({ output }) => output.trim().slice(-600)).join(' | ');
  for (const ferry of ferries) ferry.kill();
  await Promise.all(machines.map((machine) => machine.dispose()));
  return { problem: problem && `${problem}: ${said}`, pause };
}

/** @param only one of {@link WAYS}; undefined: all. @returns how many trials failed */
export async function soakOutages(trials: number, only: string | undefined): Promise<number> {
  const ways = WAYS.filter((way) => only === undefined || way === only);
  if (ways.length === 0) throw new Error(`--only is one of: ${WAYS.join(', ')}`);
  const { path: directory } = scratchDirectory();
  const kept = Buffer.concat([...generateImage({ bytes: KEPT_BYTES, seed: 9, profile: 'busy' })]);
  writeFileSync(join(directory, 'kept'), kept);
  const network = createNetwork(LINK);
  const stage = { directory, kept, network, guest: new CountingGuest(directory, GUEST) };
  let failed = 0;
  try {
    const moments = ways.flatMap((way) => [
      [way, 'in the middle'] as const,
      [way, 'in the last round'] as const,
    ]);
    for (const [way, moment] of moments) {
      for (let trial = 1; trial <= trials; trial++) {
        const { problem, pause } = await play(stage, way, moment);
        if (problem !== undefined) failed++;
        const what = problem ?? `arrived, longest time without a lap ${(pause / 1e3).toFixed(1)} s`;
        process.stdout.write(`${way}, down for ${OUTAGE_MS / 1e3} s ${moment}: ${what}\n`);
      }
    }
  } finally {
    network.remove();
  }
  process.stdout.write(`outages: ${2 * ways.length * trials} migrations, ${failed} failed\n`);
  return failed;
}
