// Both directions of a pair of send and receive: what the final reader says reaches the first writer, unchanged and at
// once, and a conversation between the two never waits for a chunk to fill.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';

import type { Method } from '../../src/migration/options.js';
import { receive } from '../../src/migration/receive.js';
import { send } from '../../src/migration/send.js';
import type { TransferSummary } from '../../src/migration/statistics.js';
import { Command } from '../cli/command.js';
import { random } from '../grammar/support/xen-streams.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-relay-'));
after(() => fs.rmSync(directory, { recursive: true, force: true }));
let names = 0;
const socketPath = (): string => path.join(directory, `s${names++}`);

/** A plain socket that is read by lengths. */
class Party {
  readonly #arrived: Buffer[] = [];
  #length = 0;
  #wake: () => void = () => undefined;

  constructor(readonly socket: net.Socket) {
    socket.on('data', (bytes: Buffer) => {
      this.#arrived.push(bytes);
      this.#length += bytes.length;
      this.#wake();
    });
    socket.on('end', () => this.#wake());
    socket.on('error', () => undefined);
  }

  say(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  async hears(length: number): Promise<Buffer> {
    while (this.#length < length) {
      assert.ok(!this.socket.readableEnded, `the stream ended after ${this.#length} of ${length} bytes`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const all = Buffer.concat(this.#arrived);
    this.#arrived.length = 0;
    this.#length = all.length - length;
    if (this.#length > 0) this.#arrived.push(all.subarray(length));
    return all.subarray(0, length);
  }
}

interface Line {
  /** Whoever feeds `send`, and whoever is fed by `receive`. */
  readonly writer: Party;
  readonly reader: Party;
  readonly ended: Promise<[TransferSummary, TransferSummary]>;
}

interface LineOptions {
  readonly kind: 'tcp' | 'unix';
  readonly oneWay?: boolean;
  readonly method?: Method;
}

/** writer → send → receive → reader, every connection of one kind. */
async function line({ kind, oneWay = false, method = 'xenguest' }: LineOptions): Promise<Line> {
  const listen = (): string => (kind === 'tcp' ? 'tcp-listen:0' : `unix-listen:${socketPath()}`);
  const server = net.createServer({ allowHalfOpen: true });
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  server.listen(kind === 'tcp' ? { port: 0, host: '127.0.0.1' } : { path: socketPath() });
  await once(server, 'listening');
  const at = server.address()!;
  const reader = typeof at === 'string' ? `unix:${at}` : `tcp:127.0.0.1:${at.port}`;
  const common = { oneWay, ioTimeout: 20_000, connectTimeout: 20_000 };
  let receiving: Promise<TransferSummary> | undefined;
  const link = await new Promise<string>((onListening, reject) => {
    receiving = receive({ ...common, input: listen(), output: reader, decompressThreads: 1, onListening });
    receiving.catch(reject);
  });
  let sending: Promise<TransferSummary> | undefined;
  const input = await new Promise<string>((onListening, reject) => {
    const fast = { compressThreads: 1, flushAfter: 1, chunkSize: 65_536, format: 'opaque' } as const;
    sending = send({ ...common, ...fast, input: listen(), output: link, method, onListening });
    sending.catch(reject);
  });
  const writer =
    kind === 'unix'
      ? net.connect({ path: input.slice('unix:'.length), allowHalfOpen: true })
      : net.connect({ port: Number(/\d+$/.exec(input)![0]), host: '127.0.0.1', allowHalfOpen: true });
  await once(writer, 'connect');
  const [socket] = await accepted;
  server.close();
  return {
    writer: new Party(writer),
    reader: new Party(socket),
    ended: Promise.all([sending!, receiving!]),
  };
}

async function endOf({ writer, reader, ended }: Line): Promise<void> {
  writer.socket.end();
  await once(reader.socket, 'end');
  reader.socket.end();
  await ended;
  writer.socket.destroy();
}

const LINKS: readonly LineOptions[] = [
  { kind: 'tcp' },
  { kind: 'unix' },
  { kind: 'tcp', oneWay: true },
  { kind: 'unix', oneWay: true },
];

describe('what the final reader says', { timeout: 60_000 }, () => {
  for (const options of LINKS) {
    const name = `${options.kind}, ${options.oneWay === true ? 'one-way' : 'with handshake'}`;

    it(`reaches the first writer before any byte has gone forward: ${name}`, async () => {
      const all = await line(options);
      const words = Buffer.from('speak, for I am listening\n');
      all.reader.say(words);
      assert.ok((await all.writer.hears(words.length)).equals(words));
      all.writer.say(Buffer.from('at last'));
      assert.equal((await all.reader.hears(7)).toString(), 'at last');
      await endOf(all);
    });

    it(`is unchanged, however long, while bytes go forward: ${name}`, async () => {
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

describe('a conversation over a compressed pair', { timeout: 120_000 }, () => {
  for (const method of ['xenguest', 'stream'] as const) {
    for (const options of [LINKS[0]!, LINKS[3]!]) {
      const name = `${options.kind}${options.oneWay === true ? ', one-way' : ''}`;
      it(`never waits: 200 rounds, method ${method}, ${name}`, async () => {
        const all = await line({ ...options, method });
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

describe('standard input and output together', { timeout: 60_000 }, () => {
  it('are one link that goes both ways, as under `xl migrate`', async () => {
    const server = net.createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    let receiving: Promise<TransferSummary> | undefined;
    const link = await new Promise<string>((onListening, reject) => {
      const to = { output: `tcp:127.0.0.1:${port}`, decompressThreads: 1 };
      receiving = receive({ input: 'tcp-listen:0', ...to, onListening });
      receiving.catch(reject);
    });
    const sending = new Command(['send', '--flush-after', '1ms', '-', link]);
    const [socket] = await accepted;
    server.close();
    const reader = new Party(socket);
    reader.say(Buffer.from('banner of the receiver\n'));
    await sending.says(/banner of the receiver\n/);
    sending.process.stdin.write('the guest');
    assert.equal((await reader.hears(9)).toString(), 'the guest');
    reader.say(Buffer.from('ready\n'));
    await sending.says(/ready\n/);
    sending.process.stdin.end();
    await once(socket, 'end');
    socket.end();
    assert.equal((await sending.ended).status, 0);
    assert.equal((await receiving!).status, 'completed');
  });
});
