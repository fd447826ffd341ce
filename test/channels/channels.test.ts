// Several connections of a hypervisor through `send` and `receive` of the public API, with stand-ins for both hypervisors.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, describe, it } from 'node:test';

import { isRamferryError, receive, type ReceiveOptions, send, type SendOptions } from '../../src/index.js';
import { foldProgress } from '../../src/channels/fold.js';
import { Sequence } from '../../src/channels/sequence.js';
import { MIB } from '../../src/units.js';
import { makeCertificates } from '../link/tls/certificates.js';
import { precopy, u32, u64 } from '../grammar/support/qemu-streams.js';
import { image, workplace } from '../transfer/support/carry.js';
import { cuttingProxy } from '../transfer/support/cutting-proxy.js';

const LIMIT = { timeout: 60_000 };
type IsTime = Parameters<typeof cuttingProxy>[3];
const MAGIC = 0x11223344;
const certificates = makeCertificates();

/** A multifd channel with so many pages, and a SYNC at its end. */
function multifdChannel(id: number, pages: number): Buffer {
  const initial = Buffer.concat([u32(MAGIC), u32(1), Buffer.alloc(16), Buffer.of(id), Buffer.alloc(39)]);
  const contents = Buffer.from(image(pages * 4096, 'busy', id + 7));
  const parts: Buffer[] = [initial];
  const packet = (flags: number, from: number, count: number): void => {
    const name = Buffer.alloc(256);
    name.write('pc.ram');
    const offsets = Array.from({ length: 128 }, (_, i) => u64(i < count ? (from + i) * 4096 : 0));
    const fields = [u32(MAGIC), u32(1), u32(flags), u32(128), u32(count), u32(count * 4096), u64(0), u32(0)];
    const body = contents.subarray(from * 4096, (from + count) * 4096);
    parts.push(...fields, Buffer.alloc(28), name, ...offsets, body);
  };
  for (let from = 0; from < pages; from += 128) packet(0, from, Math.min(128, pages - from));
  packet(1, 0, 0);
  return Buffer.concat(parts);
}

/** What the destination's hypervisor got on each connection, in the order in which they were made. */
class Destination {
  readonly sockets: net.Socket[] = [];
  readonly received: Buffer[][] = [];
  readonly #lengths: number[] = [];
  readonly #server = net.createServer({ allowHalfOpen: true });
  #wake: () => void = () => undefined;

  static async listen(
    path: string,
    onSocket: (socket: net.Socket, number: number) => void,
  ): Promise<Destination> {
    const destination = new Destination();
    destination.#server.on('connection', (socket) => {
      const number = destination.sockets.push(socket) - 1;
      const parts: Buffer[] = [];
      destination.received.push(parts);
      socket.on('error', () => undefined);
      socket.pause();
      socket.on('data', (piece: Buffer) => {
        parts.push(piece);
        destination.#lengths[number] = destination.length(number) + piece.length;
        destination.#wake();
      });
      socket.on('end', () => {
        socket.end();
        destination.#wake();
      });
      onSocket(socket, number);
      destination.#wake();
    });
    await once(destination.#server.listen(path), 'listening');
    return destination;
  }

  length(number: number): number {
    return this.#lengths[number] ?? 0;
  }

  bytes(number: number): Buffer {
    return Buffer.concat(this.received[number] ?? []);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  close(): void {
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

describe('several connections of a hypervisor', () => {
  const place = workplace();

  interface Ends {
    readonly out: string;
    readonly sending: ReturnType<typeof send>;
    readonly receiving: ReturnType<typeof receive>;
  }

  async function open(
    destination: string,
    options: { readonly send?: Partial<SendOptions>; readonly receive?: Partial<ReceiveOptions> } = {},
  ): Promise<Ends> {
    const several = { hypervisorConnections: 3 };
    const out = place.path('out');
    const link = place.path('link');
    const listening = (): { promise: Promise<void>; onListening: () => void } => {
      let onListening = (): void => undefined;
      const promise = new Promise<void>((resolve) => (onListening = resolve));
      return { promise, onListening };
    };
    const first = listening();
    const receiving = receive({
      ...{ input: `unix-listen:${link}`, output: `unix:${destination}`, decompressThreads: 1 },
      ...{ ...several, onListening: first.onListening, ...options.receive },
    });
    receiving.catch(() => undefined);
    await first.promise;
    const second = listening();
    const sending = send({
      ...{ input: `unix-listen:${out}`, output: `unix:${link}`, compressThreads: 1, codec: 'zstd' },
      ...{ ...several, onListening: second.onListening, ...options.send },
    });
    sending.catch(() => undefined);
    await second.promise;
    return { out, sending, receiving };
  }

  async function connect(path: string): Promise<net.Socket> {
    const socket = net.connect({ path, allowHalfOpen: true });
    socket.on('error', () => undefined).resume();
    await once(socket, 'connect');
    sources.push(socket);
    return socket;
  }

  const sources: net.Socket[] = [];
  after(() => sources.forEach((socket) => socket.destroy()));

  it('a main stream that is not read until each SYNC has come stops no channel', LIMIT, async () => {
    const path = place.path('in');
    const channels = [0, 1].map((id) => multifdChannel(id, 600));
    // As QEMU does: the main stream is read when every channel has brought its SYNC.
    const destination = await Destination.listen(path, (socket, number) => {
      if (number > 0) socket.resume();
    });
    const { out, sending, receiving } = await open(path);
    const main = await connect(out);
    const stream = Buffer.concat([precopy(1).bytes]);
    main.end(stream);
    for (const bytes of channels) (await connect(out)).end(bytes);
    await destination.until(() => destination.length(2) === channels[1]!.length);
    await destination.until(() => destination.length(1) === channels[0]!.length);
    assert.equal(destination.bytes(0).length, 0);
    destination.sockets[0]!.resume();
    const [sent, received] = await Promise.all([sending, receiving]);
    assert.deepEqual([sent.status, sent.streamEnd, received.status], ['completed', 'seen', 'completed']);
    for (const [number, bytes] of [stream, ...channels].entries())
      assert.ok(destination.bytes(number).equals(bytes));
    assert.equal(sent.channels?.length, 3);
    assert.equal(sent.ram.total, stream.length + channels[0]!.length + channels[1]!.length);
    assert.equal(sent.pages.anonymous, 0);
    destination.close();
  });

  for (const leavesEarly of [false, true]) {
    const what = leavesEarly
      ? 'before the main stream ends, fails'
      : 'with bytes unread when it has the main stream';
    it(`a destination that closes a multifd channel ${what}`, LIMIT, async () => {
      const path = place.path('in');
      const destination = await Destination.listen(path, (socket, number) => {
        if (number === 0) socket.resume();
      });
      const { out, sending, receiving } = await open(path);
      const main = await connect(out);
      const stream = precopy(1).bytes;
      main.write(leavesEarly ? stream.subarray(0, stream.length / 2) : stream);
      const channel = await connect(out);
      channel.write(multifdChannel(0, 300));
      await destination.until(() => destination.sockets.length === 2);
      // The kernel holds a part of the channel that QEMU never reads.
      await once(
        destination.sockets[1]!.once('readable', () => undefined),
        'readable',
      );
      destination.sockets[1]!.destroy();
      if (leavesEarly) {
        main.destroy();
        await assert.rejects(sending, isRamferryError);
        await assert.rejects(receiving, isRamferryError);
      } else {
        main.end();
        channel.end();
        const [sent, received] = await Promise.all([sending, receiving]);
        assert.deepEqual([sent.status, received.status], ['completed', 'completed']);
        assert.ok(destination.bytes(0).equals(stream));
      }
      destination.close();
    });
  }

  it('an urgent page overtakes a main stream that is not read', LIMIT, async () => {
    const path = place.path('in');
    const destination = await Destination.listen(path, (socket, number) => {
      if (number > 0) socket.resume();
    });
    const { out, sending, receiving } = await open(path);
    const main = await connect(out);
    const bulk = Buffer.concat([precopy(1).bytes, image(4 * MIB)]);
    main.write(bulk);
    const urgent = await connect(out);
    await destination.until(() => destination.sockets.length === 2);
    const page = Buffer.concat([u64(0x1008), image(4096)]);
    urgent.write(page);
    await destination.until(() => destination.length(1) === page.length);
    assert.equal(destination.bytes(0).length, 0);
    urgent.end();
    main.end();
    destination.sockets[0]!.resume();
    await Promise.all([sending, receiving]);
    assert.ok(destination.bytes(0).equals(bulk));
    destination.close();
  });

  it('each asks for its result when the link breaks before it', LIMIT, async () => {
    const path = place.path('in');
    const destination = await Destination.listen(path, (socket) => socket.resume());
    let heard: (address: string) => void;
    const address = new Promise<string>((resolve) => (heard = resolve));
    const several = { hypervisorConnections: 3, ioTimeout: 2000 };
    const receiving = receive({
      ...{ input: 'tcp-listen:127.0.0.1:0', output: `unix:${path}`, ...several },
      onListening: (text) => heard(text),
    });
    const isResult: IsTime = (piece, direction) => direction === 'backward' && piece.includes('"ok":true');
    const port = Number((await address).split(':').pop());
    const proxy = await cuttingProxy(port, 'reset-all', 'receiver', isResult);
    const warnings: string[] = [];
    const out = place.path('out');
    let sending: ReturnType<typeof send>;
    const listening = new Promise<void>((resolve) => {
      const options = { input: `unix-listen:${out}`, output: `tcp:127.0.0.1:${proxy.port}`, ...several };
      const onWarning = (text: string): void => void warnings.push(text);
      sending = send({ ...options, onWarning, onListening: () => resolve() });
    });
    await listening;
    const streams = [precopy(1).bytes, multifdChannel(0, 100)];
    for (const bytes of streams) (await connect(out)).end(bytes);
    const [sent, received] = await Promise.all([sending!, receiving]);
    assert.deepEqual([sent.status, received.status], ['completed', 'completed']);
    for (const [number, bytes] of streams.entries()) assert.ok(destination.bytes(number).equals(bytes));
    assert.match(warnings.join('\n'), /asking the receiver/);
    proxy.close();
    destination.close();
  });

  it('each is carried under TLS', { ...LIMIT, skip: certificates === undefined }, async () => {
    const path = place.path('in');
    const destination = await Destination.listen(path, (socket) => socket.resume());
    const tls = { tlsCreds: certificates!.directory('good') };
    const { out, sending, receiving } = await open(path, {
      send: { ...tls, tlsHostname: 'localhost' },
      receive: tls,
    });
    const streams = [precopy(1).bytes, multifdChannel(0, 100), multifdChannel(1, 100)];
    for (const bytes of streams) (await connect(out)).end(bytes);
    await Promise.all([sending, receiving]);
    for (const [number, bytes] of streams.entries()) assert.ok(destination.bytes(number).equals(bytes));
    destination.close();
  });

  it('one that breaks off ends all, on both sides, with a typed error', LIMIT, async () => {
    const path = place.path('in');
    const destination = await Destination.listen(path, (socket) => socket.resume());
    const { out, sending, receiving } = await open(path);
    (await connect(out)).write(precopy(1).bytes.subarray(0, 20_000));
    (await connect(out)).end(multifdChannel(0, 100).subarray(0, 5000));
    await assert.rejects(sending, (error) => isRamferryError(error) && error.code === 'ERR_INPUT_INCOMPLETE');
    await assert.rejects(receiving, isRamferryError);
    destination.close();
  });

  it('more than were allowed end all, and name the option', LIMIT, async () => {
    const path = place.path('in');
    const destination = await Destination.listen(path, (socket) => socket.resume());
    const { out, sending, receiving } = await open(path);
    (await connect(out)).write(precopy(1).bytes.subarray(0, 20_000));
    await destination.until(() => destination.sockets.length === 1);
    const further = [await connect(out), await connect(out), await connect(out)];
    const ends = further.map(
      (socket) => new Promise((resolve) => socket.once('end', resolve).once('error', resolve)),
    );
    await assert.rejects(
      sending,
      (error) => isRamferryError(error) && /hypervisor-connections/.test(error.hint ?? ''),
    );
    await assert.rejects(receiving, isRamferryError);
    await Promise.all(ends);
    destination.close();
  });

  for (const one of ['send', 'receive'] as const) {
    it(`are refused, ${one} takes one`, LIMIT, async () => {
      const path = place.path('in');
      const destination = await Destination.listen(path, (socket) => socket.resume());
      const controller = new AbortController();
      const { signal } = controller;
      const both = { send: { signal }, receive: { signal } };
      const { out, sending, receiving } = await open(path, {
        ...both,
        [one]: { hypervisorConnections: 1, signal },
      });
      (await connect(out)).write(precopy(1).bytes.subarray(0, 20_000));
      await assert.rejects(
        sending,
        (error) => isRamferryError(error) && /ERR_LINK_NEGOTIATION|ERR_PEER_FAILED/.test(error.code),
      );
      controller.abort();
      destination.close();
      // A receiver waits for another sender.
      await assert.rejects(receiving);
    });
  }

  it('are refused for addresses that cannot carry them', async () => {
    const several = { hypervisorConnections: 2 };
    for (const [input, output, more] of [
      ['/dev/null', 'tcp:localhost:1', {}],
      ['unix-listen:/x', '/dev/null', {}],
      ['unix-listen:/x', 'tcp:localhost:1', { oneWay: true }],
      ['unix-listen:/x', 'tcp:localhost:1', { reconnect: 1000 }],
      ['unix-listen:/x', 'tcp:localhost:1', { connections: 2 }],
    ] as const) {
      await assert.rejects(
        send({ input, output, ...several, ...more }),
        (error) => isRamferryError(error) && error.code === 'ERR_OPTION_INVALID',
      );
    }
  });
});

describe('Sequence', () => {
  it('lets connections be made in the order of their numbers, in whichever order they come', async () => {
    const sequence = new Sequence();
    const made: number[] = [];
    const all = [2, 0, 1].map(async (number) => {
      await sequence.turn(number);
      made.push(number);
      sequence.made(number);
    });
    await Promise.all(all);
    assert.deepEqual(made, [0, 1, 2]);
    assert.ok(sequence.has(1) && !sequence.has(3));
  });
});

describe('foldProgress', () => {
  it('adds up bytes and rates', () => {
    const one = {
      elapsed: 5,
      guestBytes: 10,
      linkBytes: 4,
      totalBytes: undefined,
      guestRate: 2,
      linkRate: 1,
    };
    const folded = foldProgress([
      { ...one, ratio: 2.5, remainingTime: undefined },
      { ...one, guestBytes: 30, ratio: 7.5, remainingTime: undefined },
    ]);
    assert.deepEqual([folded.guestBytes, folded.linkBytes, folded.guestRate, folded.ratio], [40, 8, 4, 5]);
  });
});
