// `receive --resume`: an output file that a transfer has left is continued by the next one, and only with the same input.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { checksum } from '../../src/chunk/checksum.js';
import { send } from '../../src/transfer/send.js';
import { receive } from '../../src/transfer/receive.js';
import type { TransferSummary } from '../../src/transfer/statistics/summary.js';
import { Command } from '../cli/command.js';
import { BreakingProxy } from '../link/resume/breaking-proxy.js';
import { makeCertificates } from '../link/tls/certificates.js';
import { isTyped } from '../chunk/typed.js';
import { image, listening, type ReceiveExtras, type SendExtras, workplace } from './support/carry.js';
import { memoryReceiver, MemorySink, MemorySource } from './support/memory-link.js';
import { connectTo } from './support/peers.js';

const place = workplace();
const bytes = image(6 * 2 ** 20);
const input = place.file('image', bytes);
const certificates = makeCertificates();

interface Try {
  /** Bytes of the stream after which the link breaks. */
  readonly cutAt?: number;
  readonly input?: string;
  readonly sender?: SendExtras;
  readonly receiver?: ReceiveExtras;
}

type Settled = PromiseSettledResult<TransferSummary>;

/** @returns how the receiver and the sender ended */
async function attempt(
  output: string,
  { cutAt, input: from = input, sender, receiver }: Try = {},
): Promise<[Settled, Settled]> {
  const given = new AbortController();
  const { ready, result } = listening((onListening) =>
    receive({
      ...{ input: 'tcp-listen:127.0.0.1:0', output, resume: true, ...receiver, onListening },
      signal: given.signal,
    }),
  );
  const port = Number((await ready).split(':').pop());
  const breaks = cutAt === undefined ? [] : [{ direction: 'forward', at: cutAt, kind: 'end' } as const];
  const proxy = await BreakingProxy.open({ host: '127.0.0.1', port }, breaks);
  const sending = send({
    input: from,
    output: `tcp:127.0.0.1:${proxy.port}`,
    codec: 'none',
    chunkSize: '64KiB',
    ...sender,
  });
  // Without a byte of a stream the receiver waits for another sender.
  sending.catch(() => sleep(1000).then(() => given.abort()));
  const settled = await Promise.allSettled([result, sending]);
  proxy.close();
  return settled;
}

/** The output of a transfer that broke off after about these many bytes. */
async function begun(share: number, extras: Try = {}): Promise<string> {
  const output = place.path('restored');
  const ended = await attempt(output, { cutAt: Math.floor(share * 5.5 * 2 ** 20), ...extras });
  assert.deepEqual(
    ended.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.ok(!fs.existsSync(output));
  return output;
}

function failedWith(settled: Settled, code: string): void {
  assert.equal(settled.status, 'rejected');
  assert.equal((settled.reason as { code: string }).code, code, String(settled.reason));
}

function completed(output: string, ended: [Settled, Settled], expected = bytes): number {
  const [received, sent] = ended.map((each) => {
    assert.equal(each.status, 'fulfilled', String((each as PromiseRejectedResult).reason));
    return each.value;
  });
  assert.ok(fs.readFileSync(output).equals(expected));
  assert.equal(received!.resumedFrom, sent!.resumedFrom);
  return sent!.resumedFrom ?? 0;
}

describe('receive --resume', { timeout: 120_000 }, () => {
  it('continues behind what has come, more than once', async () => {
    const output = await begun(0.3);
    const [, sent] = await attempt(output, { cutAt: 2 ** 20 });
    assert.equal(sent.status, 'rejected');
    const from = completed(output, await attempt(output, { sender: { codec: 'zstd', chunkSize: '1MiB' } }));
    assert.ok(from > 2 * 2 ** 20, `${from}`);
    assert.deepEqual(
      place.names().filter((name) => name.includes('partial')),
      [],
    );
  });

  it('begins anew where nothing is left, and is complete at once', async () => {
    const output = place.path('fresh');
    assert.equal(completed(output, await attempt(output)), 0);
  });

  it('continues under TLS', { skip: certificates === undefined }, async () => {
    const tls = { tlsCreds: certificates!.directory('good') };
    const both = { sender: tls, receiver: tls };
    const output = await begun(0.5, both);
    assert.ok(completed(output, await attempt(output, both)) > 0);
  });

  it('continues over several connections', async () => {
    const several = { connections: 2 };
    const both = { sender: several, receiver: several };
    const output = await begun(0.5, both);
    assert.ok(completed(output, await attempt(output, both)) > 0);
  });

  it('continues over a link that heals', async () => {
    const output = await begun(0.5);
    const both = { reconnect: 10_000 };
    assert.ok(completed(output, await attempt(output, { cutAt: 2 ** 20, sender: both, receiver: both })) > 0);
  });

  it('continues a migration stream, as bytes', async () => {
    const stream = Buffer.concat([Buffer.from('QEVM\0\0\0\x03'), image(3 * 2 ** 20), Buffer.alloc(123)]);
    const from = place.file('stream', stream);
    const output = await begun(0.3, { input: from });
    const ended = await attempt(output, { input: from });
    assert.ok(completed(output, ended, stream) > 0);
    assert.equal((ended[1] as PromiseFulfilledResult<TransferSummary>).value.streamEnd, 'unseen');
  });

  it('refuses another input, and keeps what has come', async () => {
    const output = await begun(0.5);
    const changed = Buffer.from(bytes);
    changed[5000]! ^= 1;
    const [received, sent] = await attempt(output, { input: place.file('changed', changed) });
    failedWith(sent, 'ERR_INPUT_CHANGED');
    assert.equal(received.status, 'rejected');
    failedWith(
      (await attempt(output, { input: place.file('short', bytes.subarray(0, 4096)) }))[1],
      'ERR_INPUT_CHANGED',
    );
    assert.ok(completed(output, await attempt(output)) > 0);
  });

  it('refuses inputs and streams that cannot begin in the middle', async () => {
    const output = await begun(0.5);
    for (const sides of [
      { input: `exec:cat ${input}` },
      { sender: { method: 'stream', codec: 'zstd' } as const },
    ]) {
      failedWith((await attempt(output, sides))[1], 'ERR_LINK_NEGOTIATION');
    }
    const [received] = await attempt(place.path('frames'), { sender: { method: 'stream', codec: 'zstd' } });
    failedWith(received, 'ERR_LINK_NEGOTIATION');
  });

  it('refuses a sender that begins at the first byte, as one of an earlier version does', async () => {
    const output = await begun(0.5);
    const old = place.path('old.rf');
    await send({ input, output: old });
    const socket = place.path('socket');
    const { ready, result } = listening((onListening) =>
      receive({ input: `unix-listen:${socket}`, output, resume: true, onListening }),
    );
    await ready;
    const peer = await connectTo(socket);
    peer.say(fs.readFileSync(old));
    await assert.rejects(result, isTyped('ERR_LINK_NEGOTIATION'));
    peer.socket.destroy();
    assert.ok(completed(output, await attempt(output)) > 0);
  });

  it('is refused where no output can be continued', async () => {
    const output = place.path('x');
    const link = 'tcp-listen:127.0.0.1:0';
    for (const ends of [
      { input: link, output: '-' },
      { input: link, output: 'exec:cat' },
      { input: link, output: '/dev/null' },
      { input: 'fd:0', output },
      { input: link, output, oneWay: true },
      { input: link, output, directIo: true },
      { input: link, output, passThrough: true },
    ]) {
      await assert.rejects(receive({ ...ends, resume: true }), isTyped('ERR_OPTION_INVALID'));
    }
  });

  it('gets the same bytes from a receiver that was killed three times', async () => {
    const output = place.path('killed');
    const partial = `${output}.partial`;
    const blocks = (): number => fs.statSync(partial, { throwIfNoEntry: false })?.blocks ?? 0;
    let before = 0;
    for (let kills = 0; kills < 3; kills++) {
      const command = new Command(['receive', '--resume', 'tcp-listen:127.0.0.1:0', output]);
      const [, address] = await command.says(/listening on (\S+)/);
      const sending = send({
        input,
        output: address!,
        codec: 'none',
        chunkSize: '64KiB',
        maxBandwidth: '4MB',
      });
      sending.catch(() => undefined);
      while (blocks() < before + 1000 * (1 + Math.random())) await sleep(10);
      command.process.kill('SIGKILL');
      await command.ended;
      await assert.rejects(sending);
      before = blocks();
    }
    const from = completed(output, await attempt(output));
    assert.ok(from > 2 ** 20, `${from}`);
  });
});

describe('a stream that continues', () => {
  const hex = fs.readFileSync(join(import.meta.dirname, '../../../test/golden/resume/continued.hex'), 'utf8');
  const stream = Buffer.from(hex.replace(/#.*$/gm, '').replace(/\s+/g, ''), 'hex');
  const digest = checksum(Buffer.alloc(4096, 'A'));

  async function decoded(kept: { bytes: number; digest: bigint }): Promise<number> {
    const sink = Object.assign(new MemorySink(), { partial: { kept, completed: () => undefined } });
    const { bytes: whole } = await memoryReceiver(new MemorySource(stream, 1), sink).run();
    assert.ok(sink.bytes().equals(Buffer.alloc(4096)));
    return whole;
  }

  it('is what FORMAT.md says', async () => {
    assert.equal(await decoded({ bytes: 4096, digest }), 8192);
  });

  it('is refused behind other bytes, and where nothing is kept', async () => {
    await assert.rejects(decoded({ bytes: 4096, digest: digest ^ 1n }), isTyped('ERR_STREAM_TOTALS'));
    await assert.rejects(decoded({ bytes: 8192, digest }), isTyped('ERR_STREAM_FEATURE'));
    await assert.rejects(decoded({ bytes: 0, digest }), isTyped('ERR_STREAM_FEATURE'));
  });
});
