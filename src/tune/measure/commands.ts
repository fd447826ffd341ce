// The commands of the command line as users start them, each in a process of its own: `receive` waits on the loopback
// interface, `send` sends a file to it. Promises the elapsed time of `send`, its start included, and that no process is
// left. A child of an earlier step is no business of this file.

import { fileURLToPath } from 'node:url';

import { onAbort } from '../../io/abort-signal.js';
import { nodeCommand } from '../../os/process/node-command.js';
import { childrenCpu } from '../../os/processor/cpu-time.js';
import type { CommandProcess } from '../../os/process/command-process.js';
import { COMMAND_ENTRY } from '../../os/entries.js';
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
  const start = await loadStart();
  signal?.throwIfAborted();
  const receiver = start({
    ...receive,
    args: ['receive', '--json', '--quiet', '--force', ...receive.args, 'tcp-listen:127.0.0.1:0', output],
  });
  let sender: CommandProcess | undefined;
  const stop = (): void => {
    sender?.kill();
    receiver.kill();
  };
  const forget = onAbort(signal, stop);
  try {
    const address = await receiver.line('listening').then(
      (line) => String(line['address']),
      async () => {
        signal?.throwIfAborted();
        throw receiver.failure(await receiver.ended);
      },
    );
    const started = performance.now();
    sender = start({ ...send, args: ['send', '--quiet', ...send.args, file, address] });
    const sent = await sender.ended;
    const seconds = (performance.now() - started) / 1e3;
    signal?.throwIfAborted();
    // The sender may have failed before it connected: then the receiver would wait for ever.
    if (sent.status !== 0) throw sender.failure(sent);
    const received = await receiver.ended;
    if (received.status !== 0) throw receiver.failure(received);
    return seconds;
  } finally {
    forget();
    stop();
    await Promise.allSettled([receiver.ended, sender?.ended]);
  }
}

/**
 * The command `send` alone, to a receiver that listens already. No other child process may end meanwhile.
 * @throws ERR_INTERNAL when it fails
 */
export async function timeSend(args: readonly string[]): Promise<CommandTime> {
  const start = await loadStart();
  const before = childrenCpu();
  const started = performance.now();
  const child = start({ args: ['send', '--quiet', ...args] });
  const end = await child.ended;
  const wall = (performance.now() - started) / 1e3;
  if (end.status !== 0) throw child.failure(end);
  return { wall, cpu: childrenCpu() - before };
}

/** Loads the runner when a command is started: a program that imports the library does not load it with the rest. */
async function loadStart(): Promise<(invocation: Invocation) => CommandProcess> {
  const { CommandProcess } = await import('../../os/process/command-process.js');
  return ({ args, prefix = [] }) =>
    new CommandProcess([...prefix, ...nodeCommand(), fileURLToPath(COMMAND_ENTRY), ...args], {
      name: `the command ${args[0]!}`,
    });
}
