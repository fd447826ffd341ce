// A QEMU without a guest system: firmware only, so that it starts at once and its stream is small. Its monitor connects
// to a socket of this process, as in machine.ts. Promises that QEMU has ended after `dispose`.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';

import { killLater } from '../cleanup.js';
import { Qmp } from './qmp.js';

const QEMU = '/usr/bin/qemu-system-x86_64';

/** The reason why these tests cannot run on this host; false when they can. */
export function missingQemu(): string | false {
  try {
    accessSync(QEMU, constants.X_OK);
    return false;
  } catch {
    return `${QEMU} is not installed`;
  }
}

export interface BareMachineOptions {
  /** Name of the machine, unique in the directory. */
  readonly name: string;
  readonly directory: string;
  /** Further options of QEMU's command line: devices, -S. */
  readonly args?: readonly string[];
  /** Properties of the machine: `q35,suppress-vmdesc=on`. */
  readonly machine?: string;
  readonly memoryMiB?: number;
  /** The program and what precedes it (`chroot DIR`); default: this host's x86_64. */
  readonly program?: readonly string[];
  /** The root directory of the program, which holds `directory`; default `/`. */
  readonly root?: string;
  /** Address at which QEMU waits for a migration; `defer`: it waits for `migrate-incoming`. */
  readonly incoming?: string;
}

/** The fields of `query-migrate` that tests read. */
export interface MigrationInfo {
  readonly status?: string;
  readonly ram?: { readonly transferred: number };
}

export class BareMachine {
  readonly process: ChildProcess;
  readonly qmp: Qmp;
  /** Resolves with QEMU's exit status (null: killed) and its standard error. */
  readonly ended: Promise<{ readonly status: number | null; readonly errors: string }>;

  private constructor(process: ChildProcess, qmp: Qmp, ended: BareMachine['ended']) {
    this.process = process;
    this.qmp = qmp;
    this.ended = ended;
  }

  static async start(options: BareMachineOptions): Promise<BareMachine> {
    const { name, directory, args = [], machine = 'q35', memoryMiB = 64, incoming } = options;
    const { program = [QEMU], root = '/' } = options;
    const path = join(directory, `${name}.qmp`);
    const inside = root === '/' ? path : path.slice(root.length);
    const server = createServer();
    const connected = once(server, 'connection');
    connected.catch(() => undefined);
    await once(server.listen(path), 'listening');
    const child = spawn(
      program[0]!,
      [
        ...program.slice(1),
        ...[
          '-nodefaults',
          '-no-user-config',
          '-display',
          'none',
          '-machine',
          machine,
          '-m',
          String(memoryMiB),
        ],
        ...['-qmp', `unix:${inside}`, ...args, ...(incoming === undefined ? [] : ['-incoming', incoming])],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    killLater(child);
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, errors }));
    const first = await Promise.race([connected, ended]);
    server.close();
    if (!Array.isArray(first)) throw new Error(`QEMU ${name} ended: ${errors}`);
    const qmp = new Qmp(first[0] as Socket);
    await qmp.execute('query-status');
    return new BareMachine(child, qmp, ended);
  }

  async capabilities(...names: readonly string[]): Promise<void> {
    const capabilities = names.map((capability) => ({ capability, state: true }));
    await this.qmp.execute('migrate-set-capabilities', { capabilities });
  }

  async migrate(uri: string, bandwidth = 100_000_000_000): Promise<void> {
    await this.qmp.execute('migrate-set-parameters', { 'max-bandwidth': bandwidth });
    await this.qmp.execute('migrate', { uri });
  }

  migration(): Promise<MigrationInfo> {
    return this.qmp.execute('query-migrate');
  }

  /** Resolves with the first answer of `query-migrate` for which `wanted` is true. */
  async migrationUntil(wanted: (info: MigrationInfo) => boolean): Promise<MigrationInfo> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const info = await this.migration();
      if (wanted(info)) return info;
      if (performance.now() > deadline) throw new Error(`the migration stays ${JSON.stringify(info)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Resolves with the final status of the migration, after success or failure. */
  async migrationEnd(): Promise<string> {
    const over = ['completed', 'failed', 'cancelled'];
    const { status } = await this.migrationUntil(({ status: now = 'none' }) => over.includes(now));
    return status!;
  }

  async runState(): Promise<string> {
    return (await this.qmp.execute<{ status: string }>('query-status')).status;
  }

  async dispose(): Promise<void> {
    this.qmp.close();
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGKILL');
    await this.ended;
  }
}
