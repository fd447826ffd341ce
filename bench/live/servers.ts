// `ramferry serve` at both ends of a cable, warm: one process on each side carries all guests of a table. Starts the two, names the
// sockets of a guest, and ends them.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { Command, inNamespace, ramferry } from '../../lab/command.js';
import type { Network } from '../../lab/network.js';

/** TCP port of the destination's server; the port of a single `receive` is another one. */
const FIRST_PORT = 4500;
const GUEST = 'guest';

let count = 0;

export class LiveServers {
  readonly #place: string;
  /** The server at the source, and the one at the destination. */
  readonly processes: readonly Command[];

  private constructor(place: string, processes: readonly Command[]) {
    this.#place = place;
    this.processes = processes;
  }

  /** @param sending options of the source's server */
  static async start(network: Network, directory: string, sending: readonly string[]): Promise<LiveServers> {
    const number = count++;
    const place = join(directory, `serve${number}`);
    for (const path of [place, join(place, 'in'), join(place, 'out')]) mkdirSync(path);
    const link = `tcp:${network.address}:${FIRST_PORT + number}`;
    const incoming = ['--incoming', `unix:${place}/in/{name}.sock`, '--listen', link];
    const outgoing = ['--outgoing', `unix-listen:${place}/out/{name}.sock`, '--connect', link];
    const start = (namespace: string, ...args: readonly string[]): Command =>
      new Command(inNamespace(namespace, ramferry('serve', ...args, '--insecure')));
    const destination = start(network.destination, ...incoming);
    await destination.says(/listening on/);
    const source = start(network.source, ...outgoing, '--guest', GUEST, ...sending);
    await source.says(/listening on/);
    return new LiveServers(place, [source, destination]);
  }

  /** Where the source's hypervisor connects. */
  get outgoing(): string {
    return `unix:${this.#place}/out/${GUEST}.sock`;
  }

  /** Where the destination's hypervisor listens. */
  get incoming(): string {
    return `unix:${this.#place}/in/${GUEST}.sock`;
  }

  async stop(): Promise<void> {
    for (const { process } of this.processes) process.kill('SIGTERM');
    await Promise.all(this.processes.map(({ ended }) => ended));
  }
}
