// A stand-in for QEMU: a monitor that serves one client after the other, a guest that runs or does not, device state over
// a socket, and a hook before every command, in which a test makes happen what it wants to see survived.

import fs from 'node:fs';
import net from 'node:net';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** What a hook makes of a command: an error of QEMU's, no answer at all, or the end of QEMU; nothing = as usual. */
export type Turn = { readonly error: string } | 'silence' | 'death' | undefined;

export interface FakeQemuOptions {
  readonly monitor: string;
  readonly ram: string;
  /** Waits for a guest instead of running one. */
  readonly incoming?: boolean;
  /** Where this machine writes `NAME runs`, `NAME stops`. */
  readonly history: string[];
  readonly name: string;
}

type Command = {
  readonly execute: string;
  readonly arguments?: Record<string, unknown>;
  readonly id: number;
};

export const STATE = Buffer.alloc(210_000, 'device state ');

export class FakeQemu {
  readonly #options: FakeQemuOptions;
  readonly #server: net.Server;
  readonly #queue: net.Socket[] = [];
  readonly #listening: net.Server[] = [];
  readonly #links: net.Socket[] = [];
  #client: net.Socket | undefined;
  #migration: { status?: string } = {};
  readonly capabilities = new Map([
    ['x-ignore-shared', false],
    ['late-block-activate', false],
    ['return-path', true],
  ]);
  status: string;
  gone = false;
  /** Device state that has come. */
  loaded = Buffer.alloc(0);
  readonly commands: string[] = [];
  readonly hooks: Record<string, (() => Turn | Promise<Turn>) | undefined> = {};
  readonly end: Promise<unknown>;
  #ended: (value: undefined) => void = () => undefined;

  private constructor(options: FakeQemuOptions, server: net.Server) {
    this.#options = options;
    this.#server = server;
    this.status = options.incoming === true ? 'inmigrate' : 'running';
    this.end = new Promise((resolve) => (this.#ended = resolve));
    server.on('connection', (socket) => {
      // A client that is killed resets the connection, also while it waits for its turn.
      socket.on('error', () => undefined);
      this.#queue.push(socket);
      this.#serve();
    });
  }

  static async start(options: FakeQemuOptions): Promise<FakeQemu> {
    const server = net.createServer();
    const fake = new FakeQemu(options, server);
    server.listen(options.monitor);
    await once(server, 'listening');
    return fake;
  }

  get running(): boolean {
    return this.status === 'running';
  }

  /** Does what a command does, without an answer. */
  perform(command: string, args: Record<string, unknown> = {}): unknown {
    switch (command) {
      case 'query-status':
        return { status: this.status, running: this.running, singlestep: false };
      case 'stop':
        return this.#become('paused');
      case 'cont':
        return this.#become('running');
      case 'query-migrate':
        return this.#migration;
      case 'query-migrate-capabilities':
        return [...this.capabilities].map(([capability, state]) => ({ capability, state }));
      case 'migrate-set-capabilities':
        for (const { capability, state } of args['capabilities'] as {
          capability: string;
          state: boolean;
        }[]) {
          this.capabilities.set(capability, state);
        }
        return {};
      case 'query-memdev':
        return [{ id: 'mem', size: fs.statSync(this.#options.ram).size, share: true }];
      case 'qom-get':
        return this.#options.ram;
      case 'migrate':
        return this.#save(args['uri'] as string);
      case 'migrate-incoming':
        return this.#load(args['uri'] as string);
      case 'migrate_cancel':
        this.#migration = { status: 'cancelled' };
        return {};
      default:
        return {};
    }
  }

  /** As if killed. */
  die(): void {
    this.gone = true;
    if (this.running) this.#note('stops');
    this.status = 'gone';
    for (const server of [this.#server, ...this.#listening]) server.close();
    for (const socket of [...this.#queue, ...this.#links]) socket.destroy();
    this.#client?.destroy();
    this.#ended(undefined);
  }

  #note(what: string): void {
    this.#options.history.push(`${this.#options.name} ${what}`);
  }

  #become(status: string): object {
    const was = this.running;
    this.status = status;
    if (was !== this.running) this.#note(this.running ? 'runs' : 'stops');
    return {};
  }

  #serve(): void {
    if (this.#client !== undefined) return;
    const client = this.#queue.shift();
    if (client === undefined) return;
    this.#client = client;
    client.on('close', () => {
      this.#client = undefined;
      if (!this.gone) this.#serve();
    });
    client.write('{"QMP":{"version":{},"capabilities":[]}}\n');
    let turn = Promise.resolve();
    createInterface({ input: client })
      .on('line', (line) => {
        turn = turn.then(() => this.#obey(client, JSON.parse(line) as Command));
      })
      .on('error', () => undefined);
  }

  async #obey(client: net.Socket, command: Command): Promise<void> {
    // What a dead client has left is not executed.
    if (client.destroyed || this.gone) return;
    const { execute: name, arguments: args, id } = command;
    this.commands.push(name);
    const made = await this.hooks[name]?.();
    if (made === 'death') this.die();
    if (made === 'death' || made === 'silence') return;
    if (made !== undefined) {
      client.write(`${JSON.stringify({ error: { class: 'GenericError', desc: made.error }, id })}\n`);
      return;
    }
    client.write(`${JSON.stringify({ return: this.perform(name, args), id })}\n`);
    if (name === 'quit') this.die();
  }

  #save(uri: string): object {
    this.#migration = { status: 'active' };
    const link = net.connect({ path: uri.replace('unix:', '') });
    this.#links.push(link);
    link.on('error', () => (this.#migration = { status: 'failed' }));
    link.end(STATE, () => {
      this.status = 'postmigrate';
      this.#migration = { status: 'completed' };
    });
    return {};
  }

  #load(uri: string): object {
    const server = net.createServer((link) => {
      this.#links.push(link);
      link.on('error', () => undefined);
      link.on('data', (piece) => (this.loaded = Buffer.concat([this.loaded, piece])));
      link.on('end', () => void this.#complete());
    });
    this.#listening.push(server);
    server.listen(uri.replace('unix:', ''));
    return {};
  }

  async #complete(): Promise<void> {
    const made = await this.hooks['load']?.();
    if (made === 'death' || this.loaded.length < STATE.length) this.die();
    else if (made === undefined && this.status === 'inmigrate') this.status = 'paused';
  }
}
