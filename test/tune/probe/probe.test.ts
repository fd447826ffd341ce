// The probe over loopback connections: what both sides find, and what each says when the other is not what it should be.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { CONTROL_MAGIC, MESSAGE, PROBE_MAGIC, writeMessage } from '../../../src/control/messages.js';
import { helloMessage } from '../../../src/control/negotiation.js';
import type { RamferryError } from '../../../src/errors.js';
import { writeImage } from '../../../src/image/image.js';
import { receive } from '../../../src/transfer/receive.js';
import { send } from '../../../src/transfer/send.js';
import { predict } from '../../../src/tune/model/model.js';
import { probe } from '../../../src/tune/probe/client.js';
import { loadBody, readLoad, readLoaded, readSpeed } from '../../../src/tune/probe/messages.js';
import { type Served, serveProbe } from '../../../src/tune/probe/server.js';
import type { TuneResult } from '../../../src/tune/advice/result.js';
import { tune } from '../../../src/tune/tune.js';
import { MIB } from '../../../src/units.js';
import { Command, run } from '../../cli/command.js';

const directory = fs.mkdtempSync(join(tmpdir(), 'ramferry-probe-test-'));
const image = join(directory, 'guest.ram');
before(() => writeImage(image, { bytes: 16 * MIB, seed: 7, profile: 'busy' }));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

/** A server, and where it listens. */
async function serving(): Promise<{ address: string; served: Promise<Served>; stop: () => void }> {
  let heard!: (address: string) => void;
  const listening = new Promise<string>((resolve) => (heard = resolve));
  const { signal, stop } = stopper();
  const served = serveProbe({ input: 'tcp-listen:127.0.0.1:0', onListening: heard, signal });
  served.catch(() => undefined);
  return { address: await listening, served, stop };
}

function stopper(): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, stop: () => controller.abort() };
}

/** A peer that sends these bytes and keeps what it receives. */
async function speaker(words: Buffer): Promise<{ address: string; close: () => void }> {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined).resume();
    socket.end(words);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  return { address: `tcp:127.0.0.1:${port}`, close: () => server.close() };
}

/** Says this to a server of probes, and resolves when it has answered and closed. */
async function tell(address: string, words: Buffer): Promise<void> {
  const [, host, port] = address.split(':');
  const socket = net.connect(Number(port), host);
  socket.on('error', () => undefined).resume();
  socket.end(words);
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

const hello = (change: object): Buffer =>
  Buffer.concat([
    CONTROL_MAGIC,
    helloMessage({ software: 'x', versions: [1], codecs: ['zstd'], maxChunk: 1, memory: 1, ...change }),
  ]);

const code =
  (wanted: string, pattern: RegExp) =>
  (thrown: unknown): boolean => {
    assert.equal((thrown as RamferryError).code, wanted, String(thrown));
    assert.match((thrown as RamferryError).message, pattern);
    return true;
  };

describe('probe', () => {
  it("measures link rate, round trip and the other host's speed", async () => {
    const { address, served } = await serving();
    const limit = 16e6;
    const found = await probe(address, { maxBandwidth: limit });
    assert.ok(found.linkRate > 0 && found.linkRate < limit * 4, String(found.linkRate));
    assert.ok(found.roundTrip > 0);
    assert.ok(found.speed.cpus >= 1 && found.speed.decodePerByte > 0);
    assert.equal(found.speed.scaling[0]?.threads, 1);
    const { linkRate, speed } = await served;
    assert.deepEqual(speed, found.speed);
    assert.equal(linkRate, found.linkRate);
  });

  it('reports a receiver that waits for a stream', async () => {
    let heard!: (address: string) => void;
    const listening = new Promise<string>((resolve) => (heard = resolve));
    const { signal, stop } = stopper();
    const to = { output: join(directory, 'x'), onListening: heard, signal };
    const receiving = receive({ input: 'tcp-listen:0', ...to });
    receiving.catch(() => undefined);
    await assert.rejects(probe(await listening), code('ERR_LINK_NEGOTIATION', /does not serve probes/));
    stop();
    await assert.rejects(receiving, code('ERR_INTERRUPTED', /./));
  });

  it('refuses a sender, and goes on waiting', async () => {
    const { address, served } = await serving();
    await assert.rejects(
      send({ input: image, output: address }),
      code('ERR_LINK_NEGOTIATION', /serves a probe and takes no stream/),
    );
    await tell(address, Buffer.from('\x89RFY\r\n\x1a\n and so on', 'latin1'));
    await tell(address, Buffer.alloc(3));
    await probe(address, { maxBandwidth: 16e6 });
    assert.ok((await served).speed !== undefined);
  });

  it('uses a version that both sides know', async () => {
    const { address, close } = await speaker(hello({ probe: [99] }));
    await assert.rejects(probe(address), code('ERR_LINK_NEGOTIATION', /other versions of the probe: 99/));
    close();
  });

  it('fails, when the other side ends early or sends an unexpected message', async () => {
    const gone = await speaker(hello({ probe: [1] }));
    await assert.rejects(probe(gone.address), code('ERR_LINK_CLOSED', /./));
    gone.close();
    const odd = await speaker(Buffer.concat([hello({ probe: [1] }), writeMessage(99, Buffer.alloc(0))]));
    await assert.rejects(probe(odd.address), code('ERR_LINK_NEGOTIATION', /unexpected message \(type 99\)/));
    odd.close();
    const wrong = await speaker(
      Buffer.concat([
        hello({ probe: [1] }),
        ...Array.from({ length: 10 }, (_, count) => writeMessage(MESSAGE.echo, Buffer.from([count]))),
        writeMessage(MESSAGE.load, Buffer.from('{"bytes":-1}')),
      ]),
    );
    await assert.rejects(probe(wrong.address), code('ERR_LINK_NEGOTIATION', /not understood/));
    wrong.close();
  });

  it('refuses a connection that is no probe', async () => {
    for (const [words, wanted, pattern] of [
      [
        Buffer.concat([PROBE_MAGIC, writeMessage(99, Buffer.alloc(0))]),
        'ERR_LINK_NEGOTIATION',
        /something unknown \(type 99\)/,
      ],
      [
        Buffer.concat([PROBE_MAGIC, writeMessage(MESSAGE.load, loadBody(1000)), Buffer.alloc(999)]),
        'ERR_LINK_CLOSED',
        /broke off/,
      ],
      [Buffer.concat([PROBE_MAGIC, Buffer.alloc(16)]), 'ERR_STREAM_CHECKSUM', /other side/],
    ] as const) {
      const { address, served } = await serving();
      await Promise.all([tell(address, words), assert.rejects(served, code(wanted, pattern))]);
    }
  });

  it('listens only on addresses that accept connections', async () => {
    await assert.rejects(serveProbe({ input: 'tcp:127.0.0.1:1' }), code('ERR_OPTION_INVALID', /tcp-listen/));
    await assert.rejects(probe('exec:true'), code('ERR_OPTION_INVALID', /tcp:HOST:PORT/));
  });

  it('checks every message against limits', () => {
    assert.equal(readLoad(loadBody(2 ** 40)), 2 ** 40);
    assert.throws(() => readLoad(loadBody(2 ** 40 + 1)), /not understood/);
    assert.throws(() => readLoad(Buffer.alloc(7)), /not understood/);
    assert.throws(() => readLoaded(Buffer.from('{')), /not understood/);
    const speed = { cpus: 2, decodePerByte: 1e-9, scaling: [{ threads: 1, speedup: 1 }] };
    assert.deepEqual(readSpeed(Buffer.from(JSON.stringify(speed))), speed);
    for (const change of [{ cpus: 0 }, { decodePerByte: -1 }, { scaling: [] }]) {
      assert.throws(() => readSpeed(Buffer.from(JSON.stringify({ ...speed, ...change }))), /not understood/);
    }
  });
});

describe('tune with a probe', () => {
  it("predicts with the probe's figures, without a bandwidth", async () => {
    const server = new Command(['receive', '--probe', 'tcp-listen:127.0.0.1:0']);
    const [, address] = await server.says(/listening on (tcp:\S+)/);
    const ended = await run([
      ...['tune', image, '--probe', address!, '--budget', '3s', '--json', '--quiet', '--writer', 'discard'],
    ]);
    assert.equal(ended.status, 0, ended.stderr);
    const { probe: probed, route, bandwidth } = JSON.parse(ended.stdout.toString()) as TuneResult;
    assert.ok(probed !== undefined);
    assert.equal(bandwidth, undefined);
    assert.equal(route.linkRate, probed.linkRate);
    assert.equal(route.receiver.cpus, probed.cpus);
    assert.equal(route.receiver.slowness, probed.slowness);
    const there = await server.ended;
    assert.equal(there.status, 0, there.stderr);
    assert.match(there.stderr, /probe served: .* arrived, decompression \d+ MB\/s in one thread, \d+ CPU/);
  });

  it('refuses a bandwidth, and an output at the other end', async () => {
    await assert.rejects(
      tune({ input: image, bandwidth: '1gbit', probe: 'tcp:localhost:1' }),
      code('ERR_OPTION_INVALID', /leave --bandwidth out/),
    );
    const ended = await run(['receive', '--probe', 'tcp-listen:0', join(directory, 'out')]);
    assert.equal(ended.status, 2);
    assert.match(ended.stderr, /a probe has no output/);
  });

  it('takes a slower destination into account', () => {
    const main = { perWireByte: 0, perChunk: 0, perGuestByte: 1e-9 };
    const host = { cpus: 1, main, scaling: [{ threads: 1, speedup: 1 }] };
    const load = { weight: 1, guestBytes: 1e6, wireBytes: 1e5, chunks: 1, encode: 0.001, decode: 0.004 };
    const rate = (slowness: number): number =>
      predict(
        [load],
        { compress: 1, decompress: 1 },
        { sender: host, receiver: { ...host, slowness }, linkRate: Infinity, startUp: 0 },
      ).guestRate;
    assert.ok(Math.abs(rate(1) / rate(3) - 3) < 1e-9);
  });
});
