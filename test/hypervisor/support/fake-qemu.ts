// A stand-in for QEMU: a monitor that serves one client at a time, a guest that runs or is stopped, RAM files that this process
// has mapped as QEMU has, device state over a socket, and a hook before every command, in which a test causes the
// failure that it examines.

import fs from 'node:fs';
import net from 'node:net';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { foreign } from '../../../src/os/foreign.js';

/** The effect of a hook: an error of QEMU, no answer, or the end of QEMU; undefined = the normal answer. */
export type Turn = { readonly error: string } | 'silence' | 'death' | undefined;

export interface FakeBackend {
  readonly id: string;
  /** A file of this process; it is mapped. */
  readonly file: string;
  /** The path that QEMU reports; default: the file. `null`: none, as for a memfd. */
  readonly path?: string | null;
  readonly type?: string;
  readonly share?: boolean;
  /** Bytes; default: the file's. */
  readonly size?: number;
  readonly address?: number;
  /** NUMA node, where the backend belongs to a memory device. */
  readonly node?: number;
}

export interface FakeQemuOptions {
  readonly monitor: string;
  readonly ram: readonly FakeBackend[];
  /** Default: 7.2. */
  readonly version?: { readonly major: number; readonly minor: number };
  /** Waits for a guest instead of running one. */
  readonly incoming?: boolean;
  /** The stand-in appends `NAME runs` and `NAME stops` here. */
  readonly history: string[];
  readonly name: string;
}

type Command = {
  readonly execute: string;
  readonly arguments?: Record<string, unknown>;
  readonly id: number;
};

function sizeOf({ size, file }: FakeBackend): number {
  return size ?? fs.statSync(file).size;
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;

/** Maps the whole file and keeps its descriptor, as QEMU does. @returns a function that undoes it */
function mapShared(file: string): () => void {
  const { library } = foreign()!;
  const mmap = library.func(
    'intptr_t mmap(intptr_t at, size_t length, int access, int flags, int fd, long offset)',
  ) as (...args: number[]) => number | bigint;
  const munmap = library.func('int munmap(intptr_t at, size_t length)') as (
    at: number | bigint,
    length: number,
  ) => number;
  const fd = fs.openSync(file, 'r+');
  const length = fs.fstatSync(fd).size;
  const at = mmap(0, length, PROT_READ_WRITE, MAP_SHARED, fd, 0);
  return () => {
    munmap(at, length);
    fs.closeSync(fd);
  };
}

export const STATE = Buffer.alloc(210_000, 'device state ');

export class FakeQemu {
  readonly #options: FakeQemuOptions;
  readonly #server: net.Server;
  readonly #queue: net.Socket[] = [];
  readonly #listening: net.Server[] = [];
  readonly #links: net.Socket[] = [];
  #client: net.Socket | undefined;
  #mappings: (() => void)[] = [];
  #migration: { status?: string } = {};
  readonly capabilities = new Map([
    ['x-ignore-shared', false],
    ['late-block-activate', false],
    ['return-path', true],
  ]);
  status: string;
  gone = false;
  /** The received device state. */
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
      // A killed client resets the connection, also while it waits to be served.
      socket.on('error', () => undefined);
      this.#queue.push(socket);
      this.#serve();
    });
  }

  static async start(options: FakeQemuOptions): Promise<FakeQemu> {
    const server = net.createServer();
    const fake = new FakeQemu(options, server);
    fake.#mappings = options.ram.map(({ file }) => mapShared(file));
    server.listen(options.monitor);
    await once(server, 'listening');
    return fake;
  }

  get running(): boolean {
    return this.status === 'running';
  }

  /** Executes a command, without the answer. */
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
      case 'query-version':
        return { qemu: { ...(this.#options.version ?? { major: 7, minor: 2 }), micro: 0 }, package: '' };
      case 'query-memdev':
        return this.#options.ram.map((backend) => ({
          ...{ id: backend.id, size: sizeOf(backend), share: backend.share ?? true },
        }));
      case 'query-memory-devices':
        return this.#options.ram
          .filter(({ node }) => node !== undefined)
          .map(({ id, node }) => ({ type: 'dimm', data: { memdev: `/objects/${id}`, node } }));
      case 'qom-list':
        return [{ name: 'region[0]', type: 'child<memory-region>' }];
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

  /** Ends like a killed process. */
  die(): void {
    this.gone = true;
    if (this.running) this.#note('stops');
    this.status = 'gone';
    for (const server of [this.#server, ...this.#listening]) server.close();
    for (const socket of [...this.#queue, ...this.#links]) socket.destroy();
    this.#client?.destroy();
    for (const unmap of this.#mappings.splice(0)) unmap();
    this.#ended(undefined);
  }

  /** @returns undefined where this object has no such property */
  #property(args: Record<string, unknown>): unknown {
    const [, id, region] = /^\/objects\/([^/]+)(\/region\[0\])?$/.exec(args['path'] as string) ?? [];
    const backend = this.#options.ram.find((each) => each.id === id);
    switch (args['property']) {
      case 'type':
        return backend?.type ?? 'memory-backend-file';
      case 'mem-path':
        return backend?.path === null ? undefined : (backend?.path ?? backend?.file);
      case 'addr':
        return region === undefined ? undefined : backend?.address;
      default:
        return undefined;
    }
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
    // Unread commands of a dead client are not executed.
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
    const result = name === 'qom-get' ? this.#property(args!) : this.perform(name, args);
    client.write(
      `${JSON.stringify(result === undefined ? { error: { class: 'GenericError', desc: 'Property not found' }, id } : { return: result, id })}\n`,
    );
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
