// `receive` and `send` that listen among strangers: port scans, resets, HTTP, TLS and SSH clients, silent connections. None of them
// ends the wait. Each is reported with its address, and the guest of the real peer arrives.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, describe, it } from 'node:test';

import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import { Command, run } from '../cli/command.js';
import { image, listening, workplace } from './support/carry.js';

const LIMIT = { timeout: 120_000 };
const SILENT = 20;

const place = workplace();
const busy = image(2 * 2 ** 20);
const busyFile = place.file('busy', busy);

/** The first bytes of a TLS ClientHello. */
const CLIENT_HELLO = Buffer.from('16030100c8010000c40303', 'hex');

const STRANGERS: readonly (readonly [string, (socket: net.Socket) => unknown, RegExp])[] = [
  ['a scan', (socket) => socket.end(), /closed without a byte/],
  ['a reset', (socket) => socket.resetAndDestroy(), /broke off without a byte|closed without a byte/],
  ['HTTP', (socket) => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /it speaks HTTP/],
  ['TLS', (socket) => socket.write(CLIENT_HELLO), /it speaks TLS/],
  ['SSH', (socket) => socket.write('SSH-2.0-x\r\n'), /it speaks SSH/],
  ['noise', (socket) => socket.write(Buffer.alloc(64, 0x77)), /no stream that `receive` knows/],
];

async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => undefined).resume();
  after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Connects all strangers in turn, and waits until the listener has closed each. @returns their ports */
async function strangersAt(port: number): Promise<number[]> {
  const ports: number[] = [];
  for (const [, act] of STRANGERS) {
    const socket = await connect(port);
    ports.push(socket.localPort!);
    const gone = new Promise<void>((resolve) => {
      socket.once('close', () => resolve()).once('end', resolve);
    });
    act(socket);
    await gone;
  }
  return ports;
}

const portOf = (address: string): number => Number(address.split(':').pop());

describe('receive, listening among strangers', LIMIT, () => {
  it('reports each stranger, and receives the guest', async () => {
    const output = place.path('restored');
    const command = new Command(['receive', 'tcp-listen:127.0.0.1:0', output]);
    const [, address] = await command.says(/listening on (\S+)/);
    const ports = await strangersAt(portOf(address!));
    for (let i = 0; i < SILENT; i++) await connect(portOf(address!));
    const sent = await run(['send', '--quiet', busyFile, address!]);
    assert.equal(sent.status, 0, sent.stderr);
    const { status, stderr } = await command.ended;
    assert.equal(status, 0, stderr);
    assert.ok(readFileSync(output).equals(busy));
    for (const [i, [what, , reason]] of STRANGERS.entries()) {
      const line = stderr.split('\n').find((text) => text.includes(`127.0.0.1:${ports[i]!}: `));
      // When a connection is reset before it is accepted, the kernel may drop it or its address.
      if (what === 'a reset' && line === undefined) continue;
      assert.match(line ?? '', reason, what);
    }
    assert.match(stderr, /16 connections wait/);
    assert.doesNotMatch(stderr, /Host: x|wwww/);
  });

  it('accepts any bytes with --pass-through, but no connection without a byte', async () => {
    const output = place.path('anything');
    const { ready, result } = listening((onListening) =>
      receive({ input: 'tcp-listen:0', output, passThrough: true, onListening }),
    );
    const port = portOf(await ready);
    (await connect(port)).end();
    (await connect(port)).end('anything');
    assert.equal((await result).status, 'unverified');
    assert.equal(readFileSync(output, 'utf8'), 'anything');
  });

  it('accepts the sender that sends first, and drops a silent one', async () => {
    const output = place.path('first');
    const { ready, result } = listening((onListening) =>
      receive({ input: 'tcp-listen:0', output, onListening }),
    );
    const to = await ready;
    const silent = send({ input: 'exec:sleep 60', output: to, compressThreads: 1 });
    silent.catch(() => undefined);
    await Promise.all([send({ input: busyFile, output: to, compressThreads: 1 }), result]);
    await assert.rejects(silent);
    assert.ok(readFileSync(output).equals(busy));
  });
});

describe('send, listening among strangers', LIMIT, () => {
  it('drops strangers, and sends to the peer that sends hello', async () => {
    const output = place.path('fetched');
    const warnings: string[] = [];
    const { ready, result } = listening((onListening) => {
      const hooks = { onListening, onWarning: (text: string) => warnings.push(text) };
      return send({ input: busyFile, output: 'tcp-listen:0', compressThreads: 1, ...hooks });
    });
    const from = await ready;
    await strangersAt(portOf(from));
    await Promise.all([receive({ input: from, output }), result]);
    assert.ok(readFileSync(output).equals(busy));
    assert.equal(warnings.length, STRANGERS.length, warnings.join('\n'));
  });

  it('drops connections without a byte, waiting for a hypervisor', async () => {
    const output = place.path('stored');
    const { ready, result } = listening((onListening) =>
      send({ input: 'tcp-listen:0', output, compressThreads: 1, onListening }),
    );
    const port = portOf(await ready);
    (await connect(port)).end();
    const slow = await connect(port);
    // Long enough that the listener takes the connection for one that waits for bytes.
    await new Promise((resolve) => setTimeout(resolve, 800));
    slow.end();
    (await connect(port)).end(busy);
    await result;
    const restored = place.path('restored');
    await receive({ input: output, output: restored });
    assert.ok(readFileSync(restored).equals(busy));
  });
});
