// Later connections of a server's transfers, between two servers and through a proxy that cuts: a sender that asks for a result, and one that
// joins again.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { after, describe, it } from 'node:test';

import { INTRODUCTION_MAGIC } from '../../src/control/messages.js';
import { introductionMessage } from '../../src/control/negotiation.js';
import { RamferryError } from '../../src/errors.js';
import { asking, newId } from '../../src/link/resume/joining.js';
import { CONVERSATION_MAGIC, packet, PACKET } from '../../src/link/resume/packet.js';
import { Doorway } from '../../src/link/resume/reconnection.js';
import type { PeerLink } from '../../src/link/peer-link.js';
import { LaterConnections } from '../../src/serve/later-connections.js';
import type { ServeOptions } from '../../src/options/rows/serve.js';
import { precopy } from '../grammar/support/qemu-streams.js';
import { makeCertificates } from '../link/tls/certificates.js';
import { type Cut, cuttingProxy } from '../transfer/support/cutting-proxy.js';
import { isTyped } from '../chunk/typed.js';
import type { ShardedServer } from '../../src/serve/shards/sharded-server.js';
import { arriving, directory, host, type Host, leaving, shardedHost, until } from './support.js';

const certificates = makeCertificates();
const LIMIT = { timeout: 120_000 };
const stream = Buffer.from(precopy(1, 3, 200).bytes);

type IsTime = Parameters<typeof cuttingProxy>[3];
const isResult: IsTime = (piece, direction) => direction === 'backward' && piece.includes('"ok":');

/** What a connection says that joins a transfer. */
function joining(id: Buffer): Buffer {
  const payload = Buffer.concat([id, Buffer.alloc(8)]);
  return Buffer.concat([CONVERSATION_MAGIC, packet(PACKET.join, 0, payload)]);
}

/** When a part of the stream has passed. */
function isMiddle(): IsTime {
  let passed = 0;
  return (piece, direction) => {
    if (direction === 'forward') passed += piece.length;
    return passed > stream.length / 4;
  };
}

interface Cutting {
  readonly source: Host;
  readonly destination: Host;
  readonly at: string;
  readonly port: number;
}

/** A server of two processes with guests that come through a proxy. A connection goes to the one with the fewest transfers: a later one never to its own. */
async function shardedCutting(
  cut: Cut,
  isTime: IsTime,
  both: ServeOptions = {},
): Promise<Omit<Cutting, 'destination'> & { readonly destination: Host<ShardedServer> }> {
  const at = directory();
  const destination = await shardedHost({
    ...{ incoming: `unix:${at}/{name}.in`, listen: 'tcp-listen:127.0.0.1:0', ioTimeout: 1000, shards: 2 },
    ...both,
  });
  return { destination, ...(await sourceOf(at, destination.addresses[0]!, [cut, isTime], both)) };
}

/** Two servers with a proxy between them that cuts the first connection. */
async function cutting(cut: Cut, isTime: IsTime, both: ServeOptions = {}): Promise<Cutting> {
  const at = directory();
  const destination = await host({
    ...{ incoming: `unix:${at}/{name}.in`, listen: 'tcp-listen:127.0.0.1:0', ioTimeout: 1000 },
    ...both,
  });
  return { destination, ...(await sourceOf(at, destination.addresses[0]!, [cut, isTime], both)) };
}

/** The server from which a guest leaves through a proxy. */
async function sourceOf(
  at: string,
  address: string,
  [cut, isTime]: readonly [Cut, IsTime],
  both: ServeOptions,
): Promise<Omit<Cutting, 'destination'>> {
  const port = Number(address.split(':').pop());
  const proxy = await cuttingProxy(port, cut, 'receiver', isTime);
  after(() => proxy.close());
  const source = await host({
    ...{ outgoing: `unix-listen:${at}/{name}.out`, connect: `tcp:127.0.0.1:${proxy.port}`, guest: ['web1'] },
    ...{ ioTimeout: 1000, codec: 'none' },
    ...both,
  });
  return { source, at, port };
}

async function carry({ at }: Pick<Cutting, 'at'>): Promise<Buffer> {
  const arrived = arriving(`${at}/web1.in`);
  (await leaving(`${at}/web1.out`)).end(stream);
  return arrived;
}

describe('serve, a link that breaks before the result', LIMIT, () => {
  for (const cut of ['reset', 'silence'] as const) {
    it(`tells the sender the result when it asks, also while it drains: ${cut}`, async () => {
      const both = await cutting(cut, isResult);
      const { source, destination } = both;
      assert.ok((await carry(both)).equals(stream));
      assert.equal((await destination.nextEnded('web1')).status, 'completed');
      // The transfer has ended, and only its result is kept.
      assert.equal(destination.server.status().transfers.length, 0);
      await Promise.all([destination.server.drain(), source.nextEnded('web1')]);
      assert.equal(source.ended[0]!.status, 'completed');
      assert.match(source.warnings.join('\n'), /asking the receiver/);
    });
  }

  it('gives up a kept result when it is told to end', async () => {
    const { at, destination, port } = await cutting('reset', () => false);
    const arrived = arriving(`${at}/web1.in`);
    const lost = await cuttingProxy(port, 'reset', 'receiver', isResult);
    const source = await host({
      ...{
        outgoing: `unix-listen:${at}/{name}.lost`,
        connect: `tcp:127.0.0.1:${lost.port}`,
        guest: ['web1'],
      },
      codec: 'none',
    });
    (await leaving(`${at}/web1.lost`)).end(stream);
    await arrived;
    lost.close();
    assert.equal((await destination.nextEnded('web1')).status, 'completed');
    destination.server.abort(new RamferryError('ERR_TERMINATED', 'the end'));
    await destination.server.drain();
    const { error, status } = await source.nextEnded('web1');
    assert.deepEqual([status, error?.code], ['unknown', 'ERR_OUTCOME_UNKNOWN']);
    assert.match(destination.warnings.join('\n'), /before the sender could hear it/);
  });
});

describe('serve --reconnect', LIMIT, () => {
  it('goes on over the next connection of the same guest', async () => {
    const both = await cutting('silence', isMiddle(), { reconnect: '20s', ioTimeout: 1500 });
    assert.ok((await carry(both)).equals(stream));
    for (const each of [both.source, both.destination]) {
      const { status, error } = await each.nextEnded('web1');
      assert.equal(status, 'completed', error?.message);
    }
    assert.match(both.source.warnings[0]!, /web1: the link broke/);
  });

  it('does so under TLS', { skip: certificates === undefined }, async () => {
    const tls = { tlsCreds: certificates!.directory('good') };
    const { source, destination, at } = await cutting('reset', isMiddle(), { reconnect: '20s', ...tls });
    assert.ok((await carry({ at })).equals(stream));
    assert.equal((await source.nextEnded('web1')).status, 'completed');
    assert.equal((await destination.nextEnded('web1')).status, 'completed');
    assert.match(source.warnings[0]!, /web1: the link broke/);
  });

  it('is not joined by another certificate', () => {
    const later = new LaterConnections();
    const id = newId();
    const joined: string[] = [];
    new Doorway(later.door(), 'CN=peer').accept(id, ({ number }) => void joined.push(`joined ${number}`));
    const link = { unread: () => undefined, fail: () => void joined.push('closed'), provenName: 'CN=thief' };
    assert.ok(later.take(joining(id), link as unknown as PeerLink));
    assert.deepEqual(joined, ['closed']);
    assert.ok(!later.take(joining(newId()), link as unknown as PeerLink));
  });

  it('ends a transfer without waiting for its sender where one side has no --reconnect', async () => {
    const at = directory();
    const incoming = { incoming: `unix:${at}/{name}.in`, listen: `unix:${at}/link`, ioTimeout: 1000 };
    const destination = await host(incoming);
    const arrived = arriving(`${at}/web1.in`);
    const source = await host({
      ...{ outgoing: `unix-listen:${at}/{name}.out`, connect: `unix:${at}/link`, guest: ['web1'] },
      reconnect: '20s',
    });
    (await leaving(`${at}/web1.out`)).end(stream);
    assert.ok((await arrived).equals(stream));
    await destination.nextEnded('web1');
    assert.match(source.warnings.join('\n'), /does not mend/);
  });

  it('counts what it keeps for outgoing guests in the memory limit', async () => {
    const ends = {
      outgoing: 'unix-listen:/run/ramferry-none/{name}',
      connect: 'unix:/run/ramferry-none/link',
    };
    const few = { ...ends, threads: 2, memoryLimit: '120MiB' } as const;
    await assert.rejects(host({ ...few, reconnect: '5s' }), isTyped('ERR_MEMORY_LIMIT'));
    await host(few);
  });
});

describe('serve of several processes, a later connection that reaches another one', LIMIT, () => {
  it('gets the result, also while the server drains', async () => {
    const both = await shardedCutting('reset', isResult);
    assert.ok((await carry(both)).equals(stream));
    assert.equal((await both.destination.nextEnded('web1')).status, 'completed');
    await Promise.all([both.destination.server.drain(), both.source.nextEnded('web1')]);
    assert.equal(both.source.ended[0]!.status, 'completed');
    assert.match(both.source.warnings.join('\n'), /asking the receiver/);
    assert.doesNotMatch(both.destination.warnings.join('\n'), /names no transfer/);
  });

  for (const under of ['in the clear', 'under TLS']) {
    it(`joins its transfer ${under}`, { skip: certificates === undefined }, async () => {
      const tls = under === 'under TLS' ? { tlsCreds: certificates!.directory('good') } : {};
      const both = await shardedCutting('reset', isMiddle(), { reconnect: '20s', ...tls });
      assert.ok((await carry(both)).equals(stream));
      assert.equal((await both.source.nextEnded('web1')).status, 'completed');
      assert.equal((await both.destination.nextEnded('web1')).status, 'completed');
      assert.match(both.source.warnings[0]!, /web1: the link broke/);
      await both.destination.server.drain();
      // Without a way to the other process the sender would try again, until it meets the right one.
      assert.doesNotMatch(both.destination.warnings.join('\n'), /names no transfer/);
    });
  }

  it('is closed when no process has its transfer', async () => {
    const at = directory();
    const { server, addresses } = await shardedHost({
      ...{ incoming: `unix:${at}/{name}.in`, listen: 'tcp-listen:127.0.0.1:0', shards: 2 },
    });
    const socket = net.connect(Number(addresses[0]!.split(':').pop()), '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.write(asking(newId()));
    await once(socket, 'close');
    assert.equal((await server.status()).refused, 1);
    await server.drain();
  });
});

describe('serve, a connection that names no transfer', LIMIT, () => {
  it('is closed without a result, which a sender would take for its own', async () => {
    const at = directory();
    const server = await host({ incoming: `unix:${at}/{name}.in`, listen: `unix:${at}/link` });
    const socket = net.connect({ path: `${at}/link` });
    const got: Buffer[] = [];
    socket.on('data', (part: Buffer) => got.push(part)).on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(asking(newId()));
    await once(socket, 'close');
    assert.ok(!Buffer.concat(got).includes('"ok"'));
    await until('it is counted', () => server.server.status().refused === 1);
    assert.match(server.warnings[0]!, /names no transfer/);
    assert.ok(fs.existsSync(`${at}/link`));
  });
});

describe('serve, a sender that is admitted and says nothing', LIMIT, () => {
  for (const reconnect of ['0s', '20s']) {
    it(`is given up after --io-timeout, --reconnect ${reconnect}`, async () => {
      const at = directory();
      const ends = { incoming: `unix:${at}/{name}.in`, listen: `unix:${at}/link` };
      const destination = await host({ ...ends, ioTimeout: 500, reconnect });
      arriving(`${at}/web1.in`).catch(() => undefined);
      const socket = net.connect({ path: `${at}/link` });
      socket.on('error', () => undefined).resume();
      socket.write(Buffer.concat([INTRODUCTION_MAGIC, introductionMessage({ software: 'x', name: 'web1' })]));
      const { error } = await destination.nextEnded('web1');
      assert.equal(error?.code, 'ERR_LINK_TIMEOUT');
      socket.destroy();
    });
  }
});
