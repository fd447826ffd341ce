// `ramferry serve --shards N`: guests that several processes carry, and what the death of one of them ends.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import type net from 'node:net';
import { describe, it } from 'node:test';

import { isTyped } from '../chunk/typed.js';
import { precopy } from '../grammar/support/qemu-streams.js';
import type { ServerStatus } from '../../src/serve/server.js';
import type { ShardedServer } from '../../src/serve/shards/sharded-server.js';
import { arriving, directory, host, type Host, leaving, shardedHost, until } from './support.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../../lab/within.js';

const stream = (seed: number): Buffer => Buffer.from(precopy(seed, 3, 200).bytes);
const NAMES = ['web1', 'web2', 'web3', 'web4'];

interface Pair {
  readonly source: Host<ShardedServer>;
  readonly destination: Host<ShardedServer>;
  readonly at: string;
}

async function shardedPair(): Promise<Pair> {
  const at = directory();
  fs.mkdirSync(`${at}/in`);
  fs.mkdirSync(`${at}/out`);
  const destination = await shardedHost({
    ...{ shards: 2, incoming: `unix:${at}/in/{name}.sock`, listen: `unix:${at}/link` },
  });
  const source = await shardedHost({
    ...{ outgoing: `unix-listen:${at}/out/{name}.sock`, connect: `unix:${at}/link` },
    ...{ shards: 2, guest: NAMES, codec: 'zstd', maxBandwidth: '1gbit' },
  });
  return { source, destination, at };
}

/** Resolves when the server's status is so. */
async function status(
  what: string,
  server: ShardedServer,
  isSo: (status: ServerStatus) => boolean,
): Promise<void> {
  let isLate = false;
  const wait = async (): Promise<void> => {
    while (!isSo(await server.status()) && !isLate) await sleep(20);
  };
  await within(what, wait(), () => (isLate = true));
}

async function running(server: ShardedServer, count: number): Promise<void> {
  const isRunning = ({ state }: { readonly state: string }): boolean => state === 'running';
  await status(
    `${count} transfers run`,
    server,
    ({ transfers }) => transfers.filter(isRunning).length === count,
  );
}

describe('serve of several processes', { timeout: 120_000 }, () => {
  it('carries guests in all of them, and loses those of one that dies', async () => {
    const { source, destination, at } = await shardedPair();
    const arrived = NAMES.map((name) => arriving(`${at}/in/${name}.sock`));
    const lost = Promise.allSettled(arrived);
    const sockets: net.Socket[] = [];
    for (const [index, name] of NAMES.entries()) {
      const socket = await leaving(`${at}/out/${name}.sock`);
      sockets.push(socket);
      socket.write(stream(index).subarray(0, 50_000));
    }
    await running(destination.server, NAMES.length);
    const { shards = [], transfers } = await source.server.status();
    assert.equal(new Set(shards).size, 2);
    assert.deepEqual(
      transfers.map(({ id }) => id),
      [1, 2, 3, 4],
    );
    process.kill(shards[0]!, 'SIGKILL');
    await until('half of them have ended', () => source.ended.length === 2);
    for (const { status, error } of source.ended)
      assert.deepEqual([status, error?.code], ['failed', 'ERR_WORKER_DIED']);
    const left = NAMES.flatMap((name, index) =>
      source.ended.some((ended) => ended.name === name) ? [] : [index],
    );
    for (const index of left) sockets[index]!.end(stream(index).subarray(50_000));
    await Promise.all(left.map((index) => source.nextEnded(NAMES[index]!)));
    const outcomes = await lost;
    for (const index of left) {
      const outcome = outcomes[index]!;
      assert.ok(outcome.status === 'fulfilled' && outcome.value.equals(stream(index)), NAMES[index]);
    }
    assert.equal((await source.server.status()).completed, 2);
    assert.ok(source.warnings.some((text) => text.includes('it carried 2 transfers')));

    // The shard is started again, and the guest that was lost goes once more.
    const again = source.ended[0]!.name;
    await status('all have ended', destination.server, ({ transfers }) => transfers.length === 0);
    source.ended.length = destination.ended.length = 0;
    const second = arriving(`${at}/in/${again}.sock`);
    await status('all shards run', source.server, ({ shards }) => shards?.includes(0) === false);
    (await leaving(`${at}/out/${again}.sock`)).end(stream(9));
    assert.ok((await second).equals(stream(9)));
    assert.equal((await source.nextEnded(again)).status, 'completed');
  });

  it('refuses a guest that another process carries', async () => {
    const { destination, at } = await shardedPair();
    const other = await host({
      ...{ outgoing: `unix-listen:${at}/{name}.other`, connect: `unix:${at}/link`, guest: ['web1'] },
    });
    const first = arriving(`${at}/in/web1.sock`);
    const socket = await leaving(`${at}/out/web1.sock`);
    socket.write(stream(1).subarray(0, 1000));
    await running(destination.server, 1);
    (await leaving(`${at}/web1.other`)).end(stream(2));
    const refused = await other.nextEnded('web1');
    assert.match(refused.error!.message, /on its way already/);
    socket.end(stream(1).subarray(1000));
    assert.ok((await first).equals(stream(1)));
  });

  it('refuses more processes than threads', async () => {
    const at = directory();
    const options = { incoming: `unix:${at}/{name}.sock`, listen: `unix:${at}/link`, shards: 3 };
    await assert.rejects(shardedHost(options), isTyped('ERR_OPTION_INVALID'));
  });
});
