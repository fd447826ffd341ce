// A QEMU with two NUMA nodes, each with its own memory backend. It runs only firmware, which is enough to test the
// mapping of files to nodes. It has two monitors: one for ramferry, one for the test. It can run in its own chroot.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { killLater } from '../cleanup.js';
import { Qmp } from './qmp.js';

const QEMU = '/usr/bin/qemu-system-x86_64';
export const NODE_BYTES = 32 * 2 ** 20;
const POLL_MS = 20;
/** QEMU opens its monitors within a second; a busy machine takes longer. */
const PATIENCE_MS = 60_000;

/** The reason why machines cannot run in a chroot on this host; false when they can. */
export function missingForChroot(): string | false {
  if (process.getuid?.() !== 0) return 'only root may chroot';
  return spawnSync('unshare', ['--mount', 'true']).status === 0 ? false : 'unshare --mount is not permitted';
}

export interface NumaOptions {
  /** Name of the machine, unique in the directory. */
  readonly name: string;
  /** Directory for sockets. */
  readonly directory: string;
  /** `-object` of each backend, without id and size. */
  readonly backends: readonly [string, string];
  /** Ids of the backends; the first belongs to node 0. */
  readonly ids?: readonly [string, string];
  readonly incoming?: boolean;
  /** Runs QEMU in a chroot with its own /dev/shm, which holds these files. */
  readonly chroot?: readonly string[];
}

export class NumaMachine {
  readonly process: ChildProcess;
  /** Path of ramferry's monitor. */
  readonly monitor: string;
  readonly qmp: Qmp;

  private constructor(child: ChildProcess, monitor: string, socket: net.Socket) {
    this.process = child;
    this.monitor = monitor;
    this.qmp = new Qmp(socket);
  }

  static async start(options: NumaOptions): Promise<NumaMachine> {
    const { name, directory, chroot } = options;
    // Inside the chroot, the directory of the sockets is mounted at another path.
    const [command, args] =
      chroot === undefined
        ? [QEMU, qemuArguments(options, directory)]
        : rooted(options, chroot, [QEMU, ...qemuArguments(options, '/mnt')]);
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    killLater(child);
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const socket = await connect(join(directory, `${name}.own`));
      if (socket !== undefined) {
        const machine = new NumaMachine(child, join(directory, `${name}.qmp`), socket);
        await machine.qmp.execute('query-status');
        return machine;
      }
      if (child.exitCode !== null || performance.now() > until) throw new Error(`QEMU ${name}: ${errors}`);
      await sleep(POLL_MS);
    }
  }

  async running(): Promise<boolean> {
    return (await this.qmp.execute<{ running: boolean }>('query-status')).running;
  }

  async dispose(): Promise<void> {
    this.qmp.close();
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}

function qemuArguments(options: NumaOptions, directory: string): string[] {
  const { name, backends, ids = ['a', 'b'], incoming = false } = options;
  const args = [
    ...[
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-accel',
      'tcg',
      '-machine',
      'q35',
      '-smp',
      '2',
    ],
    ...['-m', `${(2 * NODE_BYTES) / 2 ** 20}M`],
  ];
  for (const [index, backend] of backends.entries()) {
    const [kind, ...rest] = backend.split(',');
    args.push('-object', [kind, `id=${ids[index]}`, `size=${NODE_BYTES}`, 'share=on', ...rest].join(','));
  }
  for (const [index, id] of ids.entries()) {
    args.push('-numa', `node,nodeid=${index},cpus=${index},memdev=${id}`);
  }
  for (const what of ['qmp', 'own'])
    args.push('-qmp', `unix:${join(directory, `${name}.${what}`)},server=on,wait=off`);
  return incoming ? [...args, '-incoming', 'defer'] : args;
}

/** A chroot like the host's root, but with its own /dev/shm and the sockets' directory at /mnt. Ends with the process. */
function rooted(
  { name, directory }: NumaOptions,
  files: readonly string[],
  command: readonly string[],
): [string, string[]] {
  const root = join(directory, `${name}.root`);
  mkdirSync(root);
  const script = [
    `mount --rbind / ${root}`,
    `mount -t tmpfs none ${root}/dev/shm`,
    `mount --bind ${directory} ${root}/mnt`,
    ...files.map((file) => `mkdir -p ${root}${dirname(file)}`),
    ...files.map((file) => `truncate -s ${NODE_BYTES} ${root}${file}`),
    `exec chroot ${root} "$@"`,
  ];
  return ['unshare', ['--mount', 'sh', '-ec', script.join('\n'), 'sh', ...command]];
}

/** undefined when no process listens there. */
async function connect(path: string): Promise<net.Socket | undefined> {
  const socket = net.connect({ path });
  try {
    await once(socket, 'connect');
    return socket;
  } catch {
    socket.destroy();
    return undefined;
  }
}
