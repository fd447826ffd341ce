// `scripts/soak --stops ROUNDS`: a receiver that is stopped (SIGSTOP) in each state of a transfer, and a cable that is pulled for good, with `send`
// and `receive` and with two servers, without and with --reconnect. Each side must end in its time with a typed outcome. The cable needs root.

import { execFileSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { scratchDirectory } from '../../lab/cleanup.js';
import { Command, compiledRamferry, inNamespace } from '../../lab/command.js';
import { createNetwork, type Network } from '../../lab/network.js';
import { precopy } from '../grammar/support/qemu-streams.js';

const IO_MS = 2_000;
const RECONNECT_MS = 4_000;
/** Most time for a sender's questions, or for a result that no sender hears. */
const OUTCOME_MS = 62_000;
/** A watchdog is late by an eighth at most; the rest is for a busy machine. */
const SLACK_MS = 3_000;
/** The destination's hypervisor ends so long after it has everything. */
const LOADING_MS = 12_000;
/** Bytes that it takes slowly, in pieces of 64 KiB. */
const LAST_BYTES = 300_000;
const PIECE_MS = 1_500;
const GREETING_BYTES = 20;
const FIRST_PORT = 4_400;

const KINDS = ['send', 'serve'] as const;
const STATES = ['before the greeting', 'in the greeting', 'carrying', 'before the result'] as const;
type State = (typeof STATES)[number];

interface Trial {
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
  readonly mends: boolean;
  readonly state: State;
  readonly directory: string;
  readonly port: number;
  readonly network: Network | undefined;
}

interface Running {
  readonly trial: Trial;
  readonly sender: Command;
  readonly receiver: Command;
  /** Resolves when the transfer is in its state. */
  readonly ready: Promise<void>;
}

const stream = Buffer.from(precopy(1, 3, 200).bytes);
const half = stream.subarray(0, stream.length / 2);

function options({ mends }: Trial): string[] {
  return [`--io-timeout=${IO_MS}ms`, ...(mends ? [`--reconnect=${RECONNECT_MS}ms`] : [])];
}

function started(namespace: string | undefined, args: readonly string[]): Command {
  return new Command(inNamespace(namespace, compiledRamferry(...args, '--json')));
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const late = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > late) throw new Error(`did not come: ${what}`);
    await sleep(20);
  }
}

/** Passes a receiver's first bytes and stops it. */
function stoppingProxy(trial: Trial, host: string, receiver: Command): Promise<number> {
  const server = net.createServer((near) => {
    const far = net.connect(trial.port, host);
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far);
    far.once('data', (bytes: Buffer) => {
      near.write(bytes.subarray(0, GREETING_BYTES));
      receiver.process.kill('SIGSTOP');
    });
  });
  server.unref();
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port));
  });
}

/** The hypervisor behind a server: it takes everything and loads it for a while. @returns bytes that have come */
function loadingGuest(path: string): () => number {
  let got = 0;
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      got += bytes.length;
      if (got < stream.length - LAST_BYTES) return;
      socket.pause();
      setTimeout(() => socket.resume(), PIECE_MS);
    });
    socket.on('end', () => socket.end());
  });
  server.listen(path).unref();
  return () => got;
}

async function start(trial: Trial): Promise<Running> {
  const { directory, port, state, network, kind } = trial;
  const host = network?.address ?? '127.0.0.1';
  const whole = state === 'before the result';
  const at = (name: string): string => join(directory, `${port}.${name}`);
  const arrived =
    kind === 'serve' ? loadingGuest(at('in')) : () => (existsSync(at('got')) ? statSync(at('got')).size : 0);
  const seconds = LOADING_MS / 1e3;
  const receiver =
    kind === 'serve'
      ? started(network?.destination, [
          ...['serve', `--incoming=unix:${join(directory, '{name}.in')}`, `--listen=tcp:${host}:${port}`],
          ...['--insecure', ...options(trial)],
        ])
      : started(network?.destination, [
          ...['receive', ...options(trial), `tcp-listen:${host}:${port}`],
          `exec:cat > ${at('got')}; sleep ${seconds}`,
        ]);
  await receiver.listening();
  const stops = state === 'in the greeting' ? await stoppingProxy(trial, host, receiver) : port;
  if (state === 'before the greeting') receiver.process.kill('SIGSTOP');
  writeFileSync(at('stream'), whole ? stream : half);
  const sender =
    kind === 'serve'
      ? started(network?.source, [
          ...['serve', `--outgoing=unix-listen:${join(directory, '{name}.out')}`, `--guest=${port}`],
          ...[`--connect=tcp:${host}:${stops}`, '--insecure', '--codec=none', ...options(trial)],
        ])
      : started(network?.source, [
          ...['send', '--codec=none', ...options(trial)],
          ...[`exec:cat ${at('stream')}${whole ? '' : '; exec sleep 200'}`, `tcp:${host}:${stops}`],
        ]);
  if (kind === 'serve') {
    await sender.listening();
    const guest = net.connect(at('out'));
    guest.on('error', () => undefined).resume();
    if (whole) guest.end(stream);
    else guest.write(half);
  }
  const enough = whole ? stream.length - LAST_BYTES : half.length / 2;
  const isInGreeting = state.endsWith('greeting');
  const ready = isInGreeting
    ? Promise.resolve()
    : until(`${trial.name}: ${enough} bytes`, () => arrived() >= enough);
  return { trial, sender, receiver, ready };
}

interface Found {
  /** Milliseconds. */
  readonly after: number;
  readonly code: string;
}

/** When a side has reported how the transfer ended: with an error's code, or well. */
async function reported(side: Command, since: number, most: number): Promise<Found> {
  const found = side.until(
    () => /"code":\s*"(ERR_\w+)"|"status":\s*"(completed)"/.exec(side.output) ?? undefined,
  );
  const match = await Promise.race([found, sleep(most, undefined, { ref: false })]);
  return { after: performance.now() - since, code: match?.[1] ?? match?.[2] ?? 'no end' };
}

/** @returns what is wrong; empty = nothing */
async function judge({ trial, sender, receiver }: Running, since: number): Promise<string> {
  const { state, mends, network } = trial;
  const asks = state === 'before the result' && !mends;
  const link = IO_MS + (mends ? RECONNECT_MS : 0) + SLACK_MS;
  const begins = state.endsWith('greeting') ? IO_MS + SLACK_MS : link;
  const most = asks ? link + OUTCOME_MS : begins;
  const asking = asks
    ? sender
        .until(() => /asking the receiver/.exec(sender.output) ?? undefined)
        .then((said) => said && performance.now() - since)
    : undefined;
  const late = LOADING_MS + link + OUTCOME_MS;
  const other =
    network === undefined ? undefined : reported(receiver, since, state === 'carrying' ? link : late);
  const sent = await reported(sender, since, most + SLACK_MS);
  const wrong: string[] = [];
  const expected = state === 'before the result' ? /^ERR_OUTCOME_UNKNOWN$/ : /^ERR_LINK_/;
  if (!expected.test(sent.code) || sent.after > most) wrong.push('sender');
  const asked = await Promise.race([asking, sleep(0)]);
  if (asks && !((asked ?? Infinity) <= link)) wrong.push('question');
  const received = await other;
  const isEnd = state === 'carrying' ? /^ERR_LINK_TIMEOUT$/ : /^(completed|ERR_LINK_TIMEOUT)$/;
  if (received !== undefined && !isEnd.test(received.code)) wrong.push('receiver');
  const seconds = (milliseconds: number): string => `${(milliseconds / 1e3).toFixed(1)} s`;
  const question = asked === undefined ? '' : `, asks after ${seconds(asked)}`;
  const receives =
    received === undefined ? '' : `; receiver ${received.code} after ${seconds(received.after)}`;
  const bad =
    wrong.length === 0
      ? ''
      : ` WRONG: ${wrong.join(', ')}: ${sender.output.slice(-800)} | ${receiver.output.slice(-800)}`;
  process.stdout.write(
    `${trial.name}: sender ${sent.code} after ${seconds(sent.after)}${question}${receives}${bad}\n`,
  );
  return wrong.join(', ');
}

/** Brings all trials into their states, acts, and judges. @returns how many failed */
async function play(trials: readonly Trial[], act: (running: readonly Running[]) => void): Promise<number> {
  const running: Running[] = [];
  try {
    await Promise.all(trials.map(async (trial) => running.push(await start(trial))));
    await Promise.all(running.map(({ ready }) => ready));
    act(running);
    const since = performance.now();
    const wrong = await Promise.all(running.map((one) => judge(one, since)));
    return wrong.filter((text) => text !== '').length;
  } finally {
    for (const { sender, receiver } of running)
      for (const side of [sender, receiver]) side.process.kill('SIGKILL');
  }
}

/** @param only part of a trial's name. @returns how many trials failed */
export async function soakStops(rounds: number, only = ''): Promise<number> {
  const { path: directory } = scratchDirectory();
  let port = FIRST_PORT;
  let failed = 0;
  let count = 0;
  const trial = (kind: Trial['kind'], mends: boolean, state: State, network?: Network): Trial => {
    const how = network === undefined ? 'receiver stopped' : 'cable pulled';
    const name = `${kind}${mends ? ' --reconnect' : ''}, ${how} ${state}`;
    return { name, kind, mends, state, directory, port: port++, network };
  };
  const wanted = (trials: readonly Trial[]): Trial[] => trials.filter(({ name }) => name.includes(only));
  const stop = (running: readonly Running[]): void => {
    for (const { receiver } of running) receiver.process.kill('SIGSTOP');
  };
  const network = createNetwork('none');
  const cable = (state: 'up' | 'down'): void => {
    execFileSync('ip', ['-n', network.source, 'link', 'set', 'link0', state]);
  };
  try {
    for (let round = 0; round < rounds; round++) {
      for (const kind of KINDS) {
        for (const mends of [false, true]) {
          const trials = wanted(STATES.map((state) => trial(kind, mends, state)));
          failed += await play(trials, stop);
          count += trials.length;
        }
      }
      for (const state of ['carrying', 'before the result'] as const) {
        const both = [false, true];
        const trials = wanted(
          KINDS.flatMap((kind) => both.map((mends) => trial(kind, mends, state, network))),
        );
        failed += await play(trials, () => cable('down'));
        count += trials.length;
        cable('up');
      }
    }
  } finally {
    network.remove();
  }
  process.stdout.write(`stops: ${count} transfers, ${failed} failed\n`);
  return failed;
}
