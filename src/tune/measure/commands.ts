// The commands of the command line as users start them, each in a process of its own: `receive` waits on the loopback
// interface, `send` sends a file to it. Promises the elapsed time of `send`, its start included, and that no process is
// left. A child of an earlier step is no business of this file.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { RamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import { COMMAND_ENTRY } from '../../os/entries.js';
import { childrenCpu } from '../../os/children-cpu.js';
import type { CommandTime } from '../model/costs.js';

export interface Invocation {
  /** Arguments of ramferry. */
  readonly args: readonly string[];
  /** A program that starts it, with its arguments: `taskset -c 0`; none by default. */
  readonly prefix?: readonly string[];
}

export interface CommandRun {
  readonly file: string;
  readonly output: string;
  /** Options of `send` and of `receive`. */
  readonly send: Invocation;
  readonly receive: Invocation;
  readonly signal?: AbortSignal | undefined;
}

/** Seconds of the command `send` over a file. @throws ERR_INTERNAL when one of the commands fails */
export async function timeTransfer({ file, output, send, receive, signal }: CommandRun): Promise<number> {
  signal?.throwIfAborted();
  const receiver = start({
    ...receive,
    args: ['receive', '--json', '--quiet', '--force', ...receive.args, 'tcp-listen:127.0.0.1:0', output],
  });
  let sender: Child | undefined;
  const stop = (): void => {
    sender?.process.kill('SIGKILL');
    receiver.process.kill('SIGKILL');
  };
  const forget = onAbort(signal, stop);
  process.once('exit', stop);
  try {
    const address = await receiver.address.catch((thrown: unknown) => {
      signal?.throwIfAborted();
      throw thrown;
    });
    const started = performance.now();
    sender = start({ ...send, args: ['send', '--quiet', ...send.args, file, address] });
    const status = await sender.ended;
    const seconds = (performance.now() - started) / 1e3;
    signal?.throwIfAborted();
    // Nobody may have connected: then the receiver would wait for ever.
    if (status !== 0) throw failed('send', status, sender.errors());
    const there = await receiver.ended;
    if (there !== 0) throw failed('receive', there, receiver.errors());
    return seconds;
  } finally {
    process.off('exit', stop);
    forget();
    stop();
    await Promise.allSettled([receiver.ended, sender?.ended]);
  }
}

/**
 * The command `send` alone, to somebody who listens already. No other child process may end meanwhile.
 * @throws ERR_INTERNAL when it fails
 */
export async function timeSend(args: readonly string[]): Promise<CommandTime> {
  const before = childrenCpu();
  const started = performance.now();
  const child = start({ args: ['send', '--quiet', ...args] });
  const stop = (): void => void child.process.kill('SIGKILL');
  process.once('exit', stop);
  const status = await child.ended.finally(() => process.off('exit', stop));
  const wall = (performance.now() - started) / 1e3;
  if (status !== 0) throw failed('send', status, child.errors());
  return { wall, cpu: childrenCpu() - before };
}

interface Child {
  readonly process: ChildProcess;
  /** Its exit status; null when a signal ended it. Rejects when it could not be started. */
  readonly ended: Promise<number | null>;
  /** Where it listens. Rejects when it ends without having said so. */
  readonly address: Promise<string>;
  errors(): string;
}

function start({ args, prefix = [] }: Invocation): Child {
  const [program, ...rest] = [...prefix, process.execPath, fileURLToPath(COMMAND_ENTRY), ...args] as [
    string,
    ...string[],
  ];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const address = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { readonly message_type: string; readonly address?: string };
      if (said.message_type === 'listening') resolve(said.address!);
    });
    ended.then((status) => reject(failed(args[0]!, status, stderr)), reject);
  });
  // Whoever asks gets the rejection; nobody has to.
  address.catch(() => undefined);
  return { process: child, ended, address, errors: () => stderr };
}

function failed(command: string, status: number | null, stderr: string): RamferryError {
  const [first = ''] = stderr.trim().split('\n');
  return new RamferryError('ERR_INTERNAL', `the command ${command} ended with status ${status}: ${first}`);
}
