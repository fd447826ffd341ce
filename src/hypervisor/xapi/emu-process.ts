// The real emu-manager as our child: started with descriptors of ours where the front stands between, and with those of
// xenopsd, under the same numbers, everywhere else. Its exit is told; what it says is its reader's affair.

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

/** In whose place the front carries a vGPU's stream. */
const VGPU = 'vgpu';

export class EmuProcess {
  /** Lines from emu-manager. */
  readonly output: ByteSource;
  /** Lines to it; finish() is the end of the channel. */
  readonly input: ByteSink;
  readonly memory: EmulatorStream;
  /** Only where the vGPU's stream goes through the front. */
  readonly vgpu: EmulatorStream | undefined;
  /** Never rejects. */
  readonly exited: Promise<EmuExit>;
  readonly #child: ChildProcess;

  /** @throws RamferryError when it cannot be started */
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
    // Under xenopsd's own number, unless another emulator has that one as well.
    const taken = [...request.others.values(), request.controlIn, request.controlOut];
    let number = request.fd;
    if (taken.includes(number)) for (number = 3; stdio.has(number);) number++;
    const memory = socketPair();
    stdio.set(number, memory.theirs);
    // Beyond Node's own standard descriptors: a leaked stream would outlive us in emu-manager's hands.
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
    // An error after the start is a signal that could not be sent: then it lives.
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

/** @throws RamferryError; what Node tells by an event instead, startError() names as well */
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

/** The signals that a front takes: those that would end it by default and that a service manager or a person sends. */
export const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const satisfies readonly NodeJS.Signals[];

/** Hands each signal to the listener until the process ends. */
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
 * Lets the real one do everything by itself, with every descriptor as it is.
 * @returns its exit status; the process ends by the same signal when it was ended by one
 */
export async function runUntouched(
  exec: string,
  words: readonly string[],
  fds: readonly number[],
): Promise<number> {
  // What is closed here is closed there: that is the real one's to complain of.
  const open = [...new Set(fds)].filter(isOpen);
  const last = Math.max(2, ...open);
  const wanted = new Set([0, 1, 2, ...open]);
  const child = start(
    exec,
    words,
    Array.from({ length: last + 1 }, (_, fd) => (wanted.has(fd) ? fd : 'ignore')),
  );
  // Nothing of it is ours: that the last holder goes must be seen by xenopsd.
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
