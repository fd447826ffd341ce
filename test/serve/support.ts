// Two servers in one process, as on two hosts: guests leave through the sockets of one and arrive at the other. Hypervisors are
// plain sockets of the test.

import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { within } from '../../lab/within.js';
import { RamferryError } from '../../src/errors.js';
import type { ServeOptions } from '../../src/options/rows/serve.js';
import type { Ended } from '../../src/serve/outcomes.js';
import type { ServerHooks } from '../../src/serve/parts.js';
import { type GuestServer, Server } from '../../src/serve/server.js';
import { ShardedServer } from '../../src/serve/shards/sharded-server.js';
import type { CostMemory } from '../../src/transfer/adaptive/history/history.js';
import { workplace } from '../transfer/support/carry.js';

/** Each transfer has threads of its own to start, on a machine that runs other tests. */
const PATIENCE_MS = 60_000;

export interface Host<Kind extends GuestServer = Server> {
  readonly server: Kind;
  readonly ended: Ended[];
  readonly warnings: string[];
  readonly addresses: string[];
  /** The next transfers that end, oldest first. */
  nextEnded(name: string): Promise<Ended>;
}

const place = workplace();
let places = 0;

/** A directory that is gone when the tests of this file have run. */
export function directory(): string {
  const path = `${place.directory}/${places++}`;
  fs.mkdirSync(path);
  return path;
}

export function host(options: ServeOptions, memory?: CostMemory): Promise<Host> {
  return started(options, (all, hooks) => Server.start(all, hooks, { memory }));
}

/** A host whose guests several processes carry. */
export function shardedHost(options: ServeOptions): Promise<Host<ShardedServer>> {
  return started(options, (all, hooks) => ShardedServer.start(all, hooks, { history: true }));
}

async function started<Kind extends GuestServer>(
  options: ServeOptions,
  start: (options: ServeOptions, hooks: ServerHooks) => Promise<Kind>,
): Promise<Host<Kind>> {
  const ended: Ended[] = [];
  const warnings: string[] = [];
  const addresses: string[] = [];
  const waiting: ((ended: Ended) => void)[] = [];
  const server = await start(
    { threads: 2, memoryLimit: '512MiB', connectTimeout: 1000, ...options },
    {
      onListening: (address) => addresses.push(address),
      onWarning: (text) => warnings.push(text),
      onEnded: (one) => {
        ended.push(one);
        for (const hear of waiting) hear(one);
      },
    },
  );
  after(async () => {
    server.abort(new RamferryError('ERR_TERMINATED', 'the test is over'));
    await server.drain();
  });
  const nextEnded = (name: string): Promise<Ended> =>
    within(
      `the end of ${name}`,
      new Promise((resolve) => {
        const known = ended.find((one) => one.name === name);
        if (known !== undefined) resolve(known);
        else
          waiting.push((one) => {
            if (one.name === name) resolve(one);
          });
      }),
    );
  return { server, ended, warnings, addresses, nextEnded };
}

export interface Pair {
  readonly source: Host;
  readonly destination: Host;
  readonly at: string;
}

/** A host whose guests leave, and the one where they arrive. */
export async function pair(
  names: readonly string[],
  sending: ServeOptions = {},
  receiving: ServeOptions = {},
): Promise<Pair> {
  const at = directory();
  fs.mkdirSync(`${at}/in`);
  fs.mkdirSync(`${at}/out`);
  const destination = await host({
    incoming: `unix:${at}/in/{name}.sock`,
    listen: `unix:${at}/link`,
    ...receiving,
  });
  const source = await host({
    outgoing: `unix-listen:${at}/out/{name}.sock`,
    connect: `unix:${at}/link`,
    guest: names,
    codec: 'zstd',
    ...sending,
  });
  return { source, destination, at };
}

/** A hypervisor that waits for a guest, as `qemu -incoming unix:PATH`; resolves with everything that it got. */
export function arriving(path: string): Promise<Buffer> {
  const server = net.createServer({ allowHalfOpen: true });
  server.listen(path);
  const got = new Promise<Buffer>((resolve, reject) => {
    // Nobody waits any more for a guest that was refused.
    after(() => {
      server.close();
      reject(new Error('the tests have ended'));
    });
    server.once('connection', (socket) => {
      server.close();
      const parts: Buffer[] = [];
      socket.on('data', (part: Buffer) => parts.push(part));
      socket.on('error', reject);
      socket.on('end', () => {
        socket.end();
        resolve(Buffer.concat(parts));
      });
    });
  });
  return within(`a guest at ${path}`, got, () => server.close(), PATIENCE_MS);
}

/** A hypervisor that sends its guest. */
export async function leaving(path: string): Promise<net.Socket> {
  const socket = net.connect({ path, allowHalfOpen: true });
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  after(() => socket.destroy());
  return socket;
}

/** Resolves when the condition holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  await within(
    what,
    (async () => {
      while (!condition()) await sleep(5);
    })(),
  );
}
