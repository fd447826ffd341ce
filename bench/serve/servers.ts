// Two servers, as on two hosts, and hypervisors that are plain sockets of the bench. Measures a transfer from the hypervisor's first
// byte to the last byte at the other one, and what the two processes take from the kernel.

import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { Command, ramferry } from '../../lab/command.js';

/** USER_HZ, on every architecture Node runs on. */
const TICKS_A_SECOND = 100;
const PIECE = 1024 * 1024;
/** After the start: the warm-up of both servers. */
const WARM_UP_MS = 4000;

/** What the processes of both servers have taken. */
export interface Costs {
  /** Processor seconds since their start. */
  readonly cpu: number;
  /** Bytes of resident memory now. */
  readonly memory: number;
  readonly descriptors: number;
  readonly threads: number;
}

export class Servers {
  readonly #place: string;
  readonly #commands: readonly Command[];

  private constructor(place: string, commands: readonly Command[]) {
    this.#place = place;
    this.#commands = commands;
  }

  /** @param place a directory that does not exist */
  static async start(
    place: string,
    names: readonly string[],
    sending: readonly string[],
    both: readonly string[] = [],
  ): Promise<Servers> {
    for (const path of [place, `${place}/in`, `${place}/out`]) mkdirSync(path);
    const link = `unix:${place}/link`;
    const incoming = ['--incoming', `unix:${place}/in/{name}.sock`, '--listen', link];
    const outgoing = ['--outgoing', `unix-listen:${place}/out/{name}.sock`, '--connect', link];
    const guests = names.flatMap((name) => ['--guest', name]);
    const destination = new Command(ramferry('serve', ...incoming, ...both, '--quiet'));
    await until(() => existsSync(`${place}/link`));
    const source = new Command(ramferry('serve', ...outgoing, ...guests, ...sending, ...both, '--quiet'));
    await until(() => existsSync(`${place}/out/${names.at(-1)!}.sock`));
    await sleep(WARM_UP_MS);
    return new Servers(place, [source, destination]);
  }

  /** Carries a guest. @returns seconds */
  async carry(name: string, bytes: Uint8Array): Promise<number> {
    const path = `${this.#place}/in/${name}.sock`;
    const hypervisor = net.createServer({ allowHalfOpen: true }).listen(path);
    await once(hypervisor, 'listening');
    const arrived = (once(hypervisor, 'connection') as Promise<[net.Socket]>).then(([socket]) =>
      drain(socket),
    );
    const started = performance.now();
    const socket = net.connect({ path: `${this.#place}/out/${name}.sock`, allowHalfOpen: true });
    socket.resume();
    for (let at = 0; at < bytes.length; at += PIECE) {
      if (!socket.write(bytes.subarray(at, at + PIECE))) await once(socket, 'drain');
    }
    socket.end();
    const got = await arrived;
    const seconds = (performance.now() - started) / 1000;
    hypervisor.close();
    rmSync(path, { force: true });
    if (got !== bytes.length) throw new Error(`${name}: ${got} of ${bytes.length} bytes arrived`);
    if (!socket.readableEnded) await once(socket, 'end');
    return seconds;
  }

  costs(): Costs {
    const each = this.#commands.map(({ process: { pid } }) => costsOf(pid!));
    const sum = (name: keyof Costs): number => each.reduce((total, costs) => total + costs[name], 0);
    return {
      cpu: sum('cpu'),
      memory: sum('memory'),
      descriptors: sum('descriptors'),
      threads: sum('threads'),
    };
  }

  async end(): Promise<void> {
    for (const { process } of this.#commands) process.kill('SIGTERM');
    await Promise.all(this.#commands.map((command) => command.ended));
    rmSync(this.#place, { recursive: true, force: true });
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

async function drain(socket: net.Socket): Promise<number> {
  let bytes = 0;
  socket.on('data', (piece: Buffer) => (bytes += piece.length));
  await once(socket, 'end');
  socket.end();
  return bytes;
}

function costsOf(pid: number): Costs {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()!.split(' ');
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!;
  return {
    cpu: (Number(stat[11]) + Number(stat[12])) / TICKS_A_SECOND,
    memory: Number(resident) * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
  };
}
