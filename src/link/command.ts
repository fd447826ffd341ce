// exec:COMMAND: a shell command that writes ramferry's input or reads its output.
// The exit status is part of the link: an input or output is complete only when the status is 0.
// The command runs in its own process group. ramferry kills the group when it aborts the link or exits.

import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import type net from 'node:net';
import { RamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import { withDeadline } from '../os/time/deadline.js';
import type { ByteSink, ByteSource, Channel } from '../io/bytes.js';
import { libc } from '../os/libc.js';
import { abortError, asError } from '../io/system-error.js';
import { commandWord } from './address.js';
import { takeHandle } from './handle.js';
import type { OpenOptions } from './options.js';
import {
  socketLinkOfDescriptor,
  socketLinkOfHandle,
  type SocketLink,
  type SocketLinkOptions,
} from './socket.js';

/** How long a failed read or write waits for the command's exit status. */
const STATUS_MS = 1_000;
/** Time between SIGTERM and SIGKILL. */
const GRACE_MS = 500;

/** Kills the process group $1 when the watcher's standard input ends without a line: TERM first, then KILL. */
const WATCH = 'read -r word && exit; kill -s TERM -- "-$1"; sleep 1; kill -s KILL -- "-$1"';

/**
 * Runs the command line $1 when a line arrives on descriptor 3. ramferry sends the line after the watcher has started. When
 * ramferry is killed before that, descriptor 3 ends and the command does not run. So no command runs without a watcher.
 */
const GATE = 'read -r ramferry_gate <&3 && exec /bin/sh -c "$1" 3<&-';

/**
 * Starts the watcher, a process that outlives this process by a second. A command may ignore the end of its pipe. When this
 * process is killed, only the watcher ends such a command.
 * @returns stops the watcher
 */
function watch(pid: number | undefined): () => void {
  if (pid === undefined) return () => undefined;
  try {
    const shell = spawn('/bin/sh', ['-c', WATCH, 'ramferry-watch', String(pid)], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    shell.on('error', () => undefined);
    shell.unref();
    // Undefined when descriptors have run out, contrary to the types.
    const input = shell.stdin as (net.Socket & { unref(): void }) | undefined;
    input?.on('error', () => undefined);
    input?.unref();
    return () => input?.end('ended\n');
  } catch {
    return () => undefined;
  }
}

/** Sends the line that lets the shell of GATE run its command. */
function openGate(child: ChildProcess): void {
  // Undefined when descriptors have run out.
  const gate = child.stdio[3] as (net.Socket & { unref(): void }) | null | undefined;
  gate?.on('error', () => undefined);
  gate?.unref();
  gate?.end('start\n', () => gate.destroy());
}

/** The process of a command, and its outcome. */
class Command {
  readonly #child: ChildProcess;
  readonly #word: string;
  /** Resolves when the process ends: undefined = with status 0. */
  readonly #ended: Promise<RamferryError | undefined>;
  #running = true;

  constructor(child: ChildProcess, word: string) {
    this.#child = child;
    this.#word = word;
    const onExit = (): void => this.#signal('SIGKILL');
    process.on('exit', onExit);
    const stopWatcher = watch(child.pid);
    openGate(child);
    this.#ended = new Promise((resolve) => {
      const end = (failure: RamferryError | undefined): void => {
        this.#running = false;
        process.off('exit', onExit);
        stopWatcher();
        resolve(failure);
      };
      child.once('error', (thrown) => end(this.#error(`could not be started: ${thrown.message}`)));
      child.once('exit', (status, signal) => {
        if (status === 0) end(undefined);
        else end(this.#error(signal === null ? `ended with status ${status}` : `was ended by ${signal}`));
      });
    });
  }

  ended(): Promise<RamferryError | undefined> {
    return this.#ended;
  }

  /** Returns the command's failure as the cause of `thrown`, if the command ends within STATUS_MS; otherwise `thrown`. */
  async explain(thrown: unknown): Promise<Error> {
    const own = asError(thrown);
    if (own instanceof RamferryError && own.code !== 'ERR_LINK_CLOSED') return own;
    const failure = await withDeadline(this.#ended, STATUS_MS, () => undefined);
    return failure ?? own;
  }

  terminate(): void {
    if (!this.#running) return;
    this.#signal('SIGTERM');
    setTimeout(() => this.#signal('SIGKILL'), GRACE_MS).unref();
  }

  /** Gives the command GRACE_MS to end after its pipe was closed. After that, does what terminate() does. */
  dismiss(): void {
    setTimeout(() => this.terminate(), GRACE_MS).unref();
    this.#child.unref();
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (!this.#running || pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The process group has just ended.
    }
  }

  #error(what: string): RamferryError {
    return new RamferryError('ERR_LINK_COMMAND', `the command '${this.#word}' ${what}`, {
      hint: 'its own messages, if any, are on standard error',
    });
  }
}

interface Started {
  readonly command: Command;
  readonly link: SocketLink;
}

/** Starts the command on a pipe(2), as a shell does, so it may open /dev/stdin. Node's stdio 'pipe' is a socket, which cannot. */
function start(line: string, forReading: boolean, link: SocketLinkOptions): Started {
  const ends = libc()?.pipe();
  const commandEnd = ends === undefined ? 'pipe' : ends[forReading ? 1 : 0];
  const child = spawnShell(line, forReading ? ['ignore', commandEnd, 2] : [commandEnd, 2, 2]);
  const command = new Command(child, commandWord(line));
  if (ends === undefined) {
    const stream = forReading ? child.stdout : child.stdin;
    return { command, link: socketLinkOfHandle(takeHandle(stream as net.Socket), link) };
  }
  fs.closeSync(ends[forReading ? 1 : 0]);
  return { command, link: socketLinkOfDescriptor(ends[forReading ? 0 : 1], link) };
}

function spawnShell(line: string, stdio: readonly ('ignore' | 'pipe' | number)[]): ChildProcess {
  return spawn('/bin/sh', ['-c', GATE, '/bin/sh', line], { stdio: [...stdio, 'pipe'], detached: true });
}

function linkOptions(label: string, forReading: boolean, options: OpenOptions): SocketLinkOptions {
  // No I/O timeout: the command is local, and may idle like the other end of a pipe.
  return {
    label,
    readable: forReading,
    writable: !forReading,
    pipe: true,
    pipeRoom: options.pipeRoom,
    ioTimeout: 0,
    signal: options.signal,
  };
}

function terminateOnAbort(signal: AbortSignal | undefined, command: Command): void {
  const forget = onAbort(signal, () => command.terminate());
  void command.ended().then(forget);
}

export function openCommandInput(line: string, label: string, options: OpenOptions): Channel {
  const { command, link } = start(line, true, linkOptions(label, true, options));
  terminateOnAbort(options.signal, command);
  const inner = link.source!;
  const source: ByteSource = {
    label,
    tellsEnd: true,
    read: async (target) => {
      const count = await inner.read(target).catch(async (thrown: unknown) => {
        throw await command.explain(thrown);
      });
      if (count > 0 || target.length === 0) return count;
      const failure = await untilAborted(command.ended(), options.signal);
      if (failure !== undefined) throw failure;
      return 0;
    },
    patience: (milliseconds) => inner.patience?.(milliseconds),
    close: async () => {
      await inner.close();
      command.dismiss();
    },
  };
  return { source, sink: undefined, duplex: false };
}

export function openCommandOutput(line: string, label: string, options: OpenOptions): Channel {
  const { command, link } = start(line, false, linkOptions(label, false, options));
  terminateOnAbort(options.signal, command);
  const inner = link.sink!;
  const explained = async (work: Promise<void>): Promise<void> => {
    await work.catch(async (thrown: unknown) => {
      throw await command.explain(thrown);
    });
  };
  const sink: ByteSink = {
    label,
    write: (bytes) => explained(inner.write(bytes)),
    queued: () => inner.queued(),
    unread: () => inner.unread?.(),
    patience: (milliseconds) => inner.patience?.(milliseconds),
    finish: async () => {
      await explained(inner.finish());
      const failure = await untilAborted(command.ended(), options.signal);
      if (failure !== undefined) throw failure;
    },
    abort: async () => {
      command.terminate();
      await inner.abort();
    },
  };
  return { source: undefined, sink, duplex: false };
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(abortError(signal)));
    void work.then(resolve, reject).finally(forget);
  });
}
