// Both directions of a pair of send and receive: the bytes of the final reader reach the first writer unchanged and at once, and a
// dialogue between the two never waits for a chunk to fill.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, it } from 'node:test';

import { receive } from '../../src/transfer/receive.js';
import type { TransferSummary } from '../../src/transfer/statistics/summary.js';
import { Command } from '../cli/command.js';
import { random } from '../grammar/support/xen-streams.js';
import { endOf, line, type LineOptions, Party } from '../transfer/support/line.js';

const LINKS: readonly LineOptions[] = [
  { kind: 'tcp' },
  { kind: 'unix' },
  { kind: 'tcp', oneWay: true },
  { kind: 'unix', oneWay: true },
];

describe('return path', { timeout: 60_000 }, () => {
  for (const options of LINKS) {
    const name = `${options.kind}, ${options.oneWay === true ? 'one-way' : 'with handshake'}`;

    it(`carries bytes before any byte has gone forward, ${name}`, async () => {
      const all = await line(options);
      const words = Buffer.from('speak, for I am listening\n');
      all.reader.say(words);
      assert.ok((await all.writer.hears(words.length)).equals(words));
      all.writer.say(Buffer.from('at last'));
      assert.equal((await all.reader.hears(7)).toString(), 'at last');
      await endOf(all);
    });

    it(`carries 400 kB unchanged while bytes go forward, ${name}`, async () => {
      const all = await line(options);
      const next = random(7);
      const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => next() & 0xff));
      const [forward, backward] = [noise(300_000), noise(400_001)];
      all.reader.say(backward);
      all.writer.say(forward);
      const [heard, answered] = await Promise.all([
        all.reader.hears(forward.length),
        all.writer.hears(backward.length),
      ]);
      assert.ok(heard.equals(forward));
      assert.ok(answered.equals(backward));
      await endOf(all);
    });
  }
});

describe('dialogue over a compressed pair', { timeout: 120_000 }, () => {
  for (const method of ['xenguest', 'stream'] as const) {
    for (const options of [LINKS[0]!, LINKS[3]!]) {
      const name = `${options.kind}${options.oneWay === true ? ', one-way' : ''}`;
      it(`never waits for a chunk to fill, 200 rounds, method ${method}, ${name}`, async () => {
        const all = await line({ ...options, sending: { method } });
        const next = random(11);
        for (let round = 0; round < 200; round++) {
          const question = Buffer.alloc(1 + (next() % 6000), round);
          const answer = Buffer.alloc(1 + (next() % 300), round + 1);
          all.writer.say(question);
          assert.ok((await all.reader.hears(question.length)).equals(question));
          all.reader.say(answer);
          assert.ok((await all.writer.hears(answer.length)).equals(answer));
        }
        await endOf(all);
        const [sent, received] = await all.ended;
        assert.equal(sent.status, 'completed');
        assert.equal(received.status, 'completed');
      });
    }
  }
});

describe('stdin and stdout, both sockets', { timeout: 60_000 }, () => {
  it('form one duplex link, as under `xl migrate`', async () => {
    const server = net.createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    const stop = new AbortController();
    let receiving: Promise<TransferSummary> | undefined;
    const link = await new Promise<string>((onListening, reject) => {
      const to = { output: `tcp:127.0.0.1:${port}`, decompressThreads: 1 };
      receiving = receive({ input: 'tcp-listen:0', ...to, signal: stop.signal, onListening });
      receiving.catch(reject);
    });
    const sending = new Command(['send', '--flush-after', '1ms', '-', link]);
    const [socket] = await accepted;
    server.close();
    const reader = new Party(socket, () => {
      stop.abort();
      sending.process.kill('SIGKILL');
    });
    reader.say(Buffer.from('banner of the receiver\n'));
    await reader.within('the banner', sending.says(/banner of the receiver\n/));
    sending.process.stdin.write('the guest');
    assert.equal((await reader.hears(9)).toString(), 'the guest');
    reader.say(Buffer.from('ready\n'));
    await reader.within('the answer', sending.says(/ready\n/));
    sending.process.stdin.end();
    await reader.within('the end', once(socket, 'end'));
    socket.end();
    assert.equal((await reader.within('the end of send', sending.ended)).status, 0);
    assert.equal((await reader.within('the end of receive', receiving!)).status, 'completed');
  });
});
