// One QEMU with the test guest: its process, monitor and serial console. QEMU connects to sockets of this process.
// They exist before QEMU starts, so no code polls. Promises that QEMU has ended after `dispose`.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

import { killLater } from '../cleanup.js';
import { findKernel, type Kernel } from './initramfs.js';
import { Qmp } from './qmp.js';

const QEMU = '/usr/bin/qemu-system-x86_64';
/** Long enough for a boot on a busy machine. */
const PATIENCE_MS = 120_000;

/** The reason why live tests cannot run on this host; false when they can. */
export function missingForLive(): string | false {
  for (const program of [QEMU, '/usr/bin/busybox']) {
    try {
      accessSync(program, constants.X_OK);
    } catch {
      return `${program} is not installed`;
    }
  }
  return findKernel() === undefined ? 'no linux-image-cloud-amd64 is installed' : false;
}

export interface MachineOptions {
  /** Name of the machine, unique in the directory. */
  readonly name: string;
  /** Directory for sockets. */
  readonly directory: string;
  readonly kernel: Kernel;
  /** Path of the initramfs. */
  readonly initrd: string;
  /** Not a multiple of 256 KiB: QEMU 7.2 under TCG loses writes of guests with round sizes (docs/LIVE.md). */
  readonly memoryKiB: number;
  /** Image of a read-only disk. */
  readonly disk?: string | undefined;
  /** Address at which QEMU waits for a migration; `defer`: it waits for `migrate-incoming`. */
  readonly incoming?: string | undefined;
  /** Network namespace of QEMU. */
  readonly namespace?: string | undefined;
  /** File that backs the guest's RAM. QEMU then listens on a second monitor. */
  readonly sharedRam?: string | undefined;
  /** QEMU listens on a second monitor. Default: with `sharedRam`. */
  readonly secondMonitor?: boolean | undefined;
}

interface RunningQemu {
  readonly name: string;
  readonly child: ChildProcess;
  /** Rejects when QEMU ends. */
  readonly gone: Promise<never>;
  readonly secondMonitor: string;
  readonly monitor: Socket;
  readonly serial: Socket;
}

export class Machine {
  readonly name: string;
  readonly process: ChildProcess;
  readonly qmp: Qmp;
  /** Path of the second monitor, where there is one. */
  readonly monitor: string;
  #console = '';
  #asked: Promise<unknown> = Promise.resolve();
  #errors = '';
  readonly #serial: Socket;
  /** Rejects when QEMU ends. */
  readonly #gone: Promise<never>;

  private constructor({ name, child, gone, secondMonitor, monitor, serial }: RunningQemu) {
    this.name = name;
    this.process = child;
    this.monitor = secondMonitor;
    this.#gone = gone;
    gone.catch((thrown: unknown) => (this.#errors = String(thrown)));
    this.qmp = new Qmp(monitor);
    this.#serial = serial;
    serial.on('error', () => undefined);
    serial.setEncoding('latin1').on('data', (text: string) => (this.#console += text));
  }

  /** Resolves when QEMU runs. A destination listens then. */
  static async start(options: MachineOptions): Promise<Machine> {
    if (options.memoryKiB % 256 === 0) throw new Error('the guest must not have a multiple of 256 KiB');
    const path = (what: string): string => join(options.directory, `${options.name}.${what}`);
    const monitor = awaitConnection(path('qmp'));
    const serial = awaitConnection(path('serial'));
    const [command, args] = commandLine(options, path);
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    killLater(child);
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const gone = once(child, 'close').then((): never => {
      throw new Error(`QEMU ${options.name} ended: ${errors}`);
    });
    gone.catch(() => undefined);
    const sockets = Promise.all([monitor.connected, serial.connected]);
    try {
      const [first, second] = await Promise.race([sockets, gone]);
      const machine = new Machine({
        name: options.name,
        child,
        gone,
        secondMonitor: path('mon'),
        monitor: first,
        serial: second,
      });
      await machine.qmp.execute('query-status');
      return machine;
    } catch (thrown) {
      child.kill('SIGKILL');
      throw thrown;
    } finally {
      monitor.stop();
      serial.stop();
    }
  }

  /** All output of the serial console so far. */
  get console(): string {
    return this.#console;
  }

  /** Resolves with the first match in the console's output from position `from`. */
  async says(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const match = pattern.exec(this.#console.slice(from));
      if (match !== null) return match;
      try {
        await Promise.race([once(this.#serial, 'data', { signal: deadline }), this.#gone]);
      } catch {
        const tail = this.#console.slice(-300);
        throw new Error(`the guest did not say ${String(pattern)}: ${tail} ${this.#errors}`);
      }
    }
  }

  /** Sends a line to the guest and resolves with its answer. Only one request may be open at a time. */
  ask(line: string): Promise<string> {
    const answer = this.#asked.then(async () => {
      const from = this.#console.length;
      this.#serial.write(`${line}\n`);
      return (await this.says(/^answer (.*)\r?\n/m, from))[1]!.trim();
    });
    this.#asked = answer.catch(() => undefined);
    return answer;
  }

  async dispose(): Promise<void> {
    this.qmp.close();
    this.#serial.destroy();
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}

function commandLine(options: MachineOptions, path: (what: string) => string): [string, string[]] {
  const { kernel, initrd, memoryKiB, disk, incoming, namespace, sharedRam } = options;
  const { secondMonitor = sharedRam !== undefined } = options;
  const backend = sharedRam === undefined ? '' : ',memory-backend=mem';
  const args = [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-machine', `q35,smm=off,hpet=off${backend}`],
    ...['-m', `${memoryKiB}K`, '-kernel', kernel.image, '-initrd', initrd],
    ...['-append', 'console=ttyS0 quiet loglevel=1 panic=-1'],
    ...['-qmp', `unix:${path('qmp')}`, '-serial', `unix:${path('serial')}`],
  ];
  if (sharedRam !== undefined) {
    args.push('-object', `memory-backend-file,id=mem,size=${memoryKiB}K,mem-path=${sharedRam},share=on`);
  }
  if (secondMonitor) args.push('-qmp', `unix:${path('mon')},server=on,wait=off`);
  if (disk !== undefined) {
    args.push('-drive', `file=${disk},format=raw,if=none,id=disk,readonly=on`);
    args.push('-device', 'virtio-blk-pci,drive=disk');
  }
  if (incoming !== undefined) args.push('-incoming', incoming);
  return namespace === undefined ? [QEMU, args] : ['ip', ['netns', 'exec', namespace, QEMU, ...args]];
}

/** Listens for one connection. */
function awaitConnection(path: string): { connected: Promise<Socket>; stop: () => void } {
  const server = net.createServer();
  const connected = once(server, 'connection').then(([socket]) => socket as Socket);
  connected.catch(() => undefined);
  server.listen(path);
  return { connected, stop: () => server.close() };
}
