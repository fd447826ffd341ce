// The real emu-manager as a child process. It gets the front's descriptors for the streams that the front carries, and xenopsd's
// descriptors, under the same numbers, for all others. Reports its exit; the caller reads its output.

import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import fs from 'node:fs';
import type net from 'node:net';
import { RamferryError } from '../../errors.js';
import type { ByteSink, ByteSource, Channel } from '../../io/bytes.js';
import { asError } from '../../io/system-error.js';
import { takeHandle } from '../../link/handle.js';
import { socketLinkOfDescriptor, socketLinkOfHandle, type SocketLinkOptions } from '../../link/socket.js';
import { closeOnExec, isOwn, type SocketPair, socketPair } from './descriptors.js';
import type { EmuArguments, EmuRequest } from './emu-arguments.js';
import type { EmulatorStream } from './emu-streams.js';

export interface EmuExit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The emulator's name whose stream the front may carry. */
const VGPU = 'vgpu';

export class EmuProcess {
  /** emu-manager's lines. */
  readonly output: ByteSource;
  /** Lines to emu-manager; finish() ends the channel. */
  readonly input: ByteSink;
  readonly memory: EmulatorStream;
  /** Only where the front carries the vGPU's stream. */
  readonly vgpu: EmulatorStream | undefined;
  /** Never rejects. */
  readonly exited: Promise<EmuExit>;
  readonly #child: ChildProcess;

  /** @throws RamferryError when emu-manager cannot be started */
  static async start(
    exec: string,
    args: EmuArguments,
    request: EmuRequest,
    carryVgpu: boolean,
  ): Promise<EmuProcess> {
    const real = new EmuProcess(exec, args, request, carryVgpu);
    await real.#started();
    return real;
  }

  private constructor(exec: string, args: EmuArguments, request: EmuRequest, carryVgpu: boolean) {
    const stdio = new Map<number, number | 'pipe'>([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    for (const fd of request.others.values()) stdio.set(fd, fd);
    const vgpuFd = request.others.get(VGPU);
    const vgpu = carryVgpu && vgpuFd !== undefined ? socketPair() : undefined;
    if (vgpu !== undefined) stdio.set(vgpuFd!, vgpu.theirs);
    stdio.set(request.controlIn, 'pipe');
    stdio.set(request.controlOut, 'pipe');
    // Under xenopsd's number, unless another emulator uses the same number.
    const taken = [...request.others.values(), request.controlIn, request.controlOut];
    let number = request.fd;
    if (taken.includes(number)) for (number = 3; stdio.has(number);) number++;
    const memory = socketPair();
    stdio.set(number, memory.theirs);
    // Except standard descriptors: a stream that leaks into emu-manager would stay open after the front's end.
    for (const fd of [request.fd, request.controlIn, request.controlOut, ...request.others.values()]) {
      if (fd > 2) closeOnExec(fd);
    }
    const last = Math.max(...stdio.keys());
    const child = start(
      exec,
      args.forReal(number),
      Array.from({ length: last + 1 }, (_, fd) => stdio.get(fd) ?? 'ignore'),
    );
    this.#child = child;
    // After the start, an error means that a signal could not be sent: the process lives on.
    child.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      child.once('exit', (status, signal) => resolve({ status, signal }));
    });
    fs.closeSync(memory.theirs);
    const control = this.#control(request);
    this.output = control.output;
    this.input = control.input;
    this.memory = stream(memory, 'xenguest', !request.saving);
    this.vgpu = vgpu && { ...stream(vgpu, 'the vGPU', !request.saving), theirs: vgpu.theirs };
  }

  #control(request: EmuRequest): { output: ByteSource; input: ByteSink } {
    const link = (fd: number, readable: boolean, writable: boolean): Channel => {
      const handle = takeHandle(this.#child.stdio[fd] as net.Socket);
      return socketLinkOfHandle(handle, options('emu-manager', readable, writable));
    };
    const { controlIn, controlOut } = request;
    if (controlIn === controlOut) {
      const both = link(controlIn, true, true);
      return { output: both.source!, input: both.sink! };
    }
    return { output: link(controlOut, true, false).source!, input: link(controlIn, false, true).sink! };
  }

  #started(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.once('spawn', resolve);
      this.#child.once('error', (thrown) => reject(startError(thrown)));
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

/** @throws RamferryError; an 'error' event of the child is translated by startError(), too */
function start(exec: string, words: readonly string[], stdio: StdioOptions): ChildProcess {
  try {
    return spawn(exec, words, { stdio });
  } catch (thrown) {
    throw startError(thrown);
  }
}

function startError(thrown: unknown): RamferryError {
  return new RamferryError(
    'ERR_LINK_COMMAND',
    `emu-manager could not be started: ${asError(thrown).message}`,
    { cause: thrown, hint: 'check --exec and the rights of that program' },
  );
}

/** The signals that a front handles: those of service managers and users that end a process by default. */
export const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const satisfies readonly NodeJS.Signals[];

/** Calls the listener for each signal until the process ends. */
export function onSignals(listener: (signal: NodeJS.Signals) => void): void {
  for (const signal of SIGNALS) process.on(signal, listener);
}

function isOpen(fd: number): boolean {
  try {
    return !isOwn(fd);
  } catch {
    return false;
  }
}

function options(label: string, readable: boolean, writable: boolean): SocketLinkOptions {
  // emu-manager and its emulators have time limits of their own.
  return { label, readable, writable, ioTimeout: 0 };
}

function stream({ ours }: SocketPair, label: string, toEmulator: boolean): EmulatorStream {
  return { channel: socketLinkOfDescriptor(ours, options(label, !toEmulator, toEmulator)), ours };
}

/**
 * Runs the real emu-manager alone, with all descriptors unchanged.
 * @returns its exit status; where a signal ended it, this process ends by the same signal
 */
export async function runUntouched(
  exec: string,
  words: readonly string[],
  fds: readonly number[],
): Promise<number> {
  // A descriptor that is closed here is closed there: the real emu-manager reports it.
  const open = [...new Set(fds)].filter(isOpen);
  const last = Math.max(2, ...open);
  const wanted = new Set([0, 1, 2, ...open]);
  const child = start(
    exec,
    words,
    Array.from({ length: last + 1 }, (_, fd) => (wanted.has(fd) ? fd : 'ignore')),
  );
  // The front must not hold these descriptors: xenopsd must see when their last holder closes them.
  for (const fd of open) if (fd > 2) fs.closeSync(fd);
  onSignals((signal) => child.kill(signal));
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('exit', (...result) => resolve(result));
    child.once('spawn', () => child.on('error', () => undefined));
    child.once('error', (thrown) => reject(startError(thrown)));
  });
  if (signal === null) return status ?? 1;
  for (const handled of SIGNALS) process.removeAllListeners(handled);
  process.kill(process.pid, signal);
  return 1;
}
