// A line of programs in one process: writer → send → receive → reader, joined by sockets of one kind. The writer and the
// reader are plain sockets in the hands of a test.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';

import { receive } from '../../../src/transfer/receive.js';
import type { ReceiveOptions, SendOptions } from '../../../src/options/transfer.js';
import { send } from '../../../src/transfer/send.js';
import type { TransferSummary } from '../../../src/transfer/statistics/summary.js';
import { within } from '../../../lab/within.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-line-'));
after(() => fs.rmSync(directory, { recursive: true, force: true }));
let names = 0;
const socketPath = (): string => path.join(directory, `s${names++}`);

/** A plain socket that is read by lengths. */
export class Party {
  readonly #arrived: Buffer[] = [];
  #length = 0;
  #wake: () => void = () => undefined;
  readonly #letGo: () => void;

  /** @param letGo ends the other programs of the line when what it should hear does not come */
  constructor(
    readonly socket: net.Socket,
    letGo: () => void = () => undefined,
  ) {
    this.#letGo = () => {
      socket.destroy();
      letGo();
    };
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

  hears(length: number): Promise<Buffer> {
    return this.within(`the next of ${length} bytes`, this.#hears(length));
  }

  /** Waits for something that the other programs of the line must do. */
  within<T>(what: string, promise: Promise<T>): Promise<T> {
    return within(what, promise, this.#letGo);
  }

  async #hears(length: number): Promise<Buffer> {
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

export interface Line {
  /** The program that writes to `send`, and the one that reads from `receive`. */
  readonly writer: Party;
  readonly reader: Party;
  readonly ended: Promise<[TransferSummary, TransferSummary]>;
}

export interface LineOptions {
  readonly kind: 'tcp' | 'unix';
  readonly oneWay?: boolean;
  /** Beside one thread, small chunks and a short flush of bytes of no format. */
  readonly sending?: Partial<SendOptions>;
  readonly receiving?: Partial<ReceiveOptions>;
}

/** writer → send → receive → reader, every connection of one kind. */
export async function line(options: LineOptions): Promise<Line> {
  const { kind, oneWay = false } = options;
  const listen = (): string => (kind === 'tcp' ? 'tcp-listen:0' : `unix-listen:${socketPath()}`);
  const server = net.createServer({ allowHalfOpen: true });
  const accepted = once(server, 'connection') as Promise<[net.Socket]>;
  server.listen(kind === 'tcp' ? { port: 0, host: '127.0.0.1' } : { path: socketPath() });
  await once(server, 'listening');
  const at = server.address()!;
  const reader = typeof at === 'string' ? `unix:${at}` : `tcp:127.0.0.1:${at.port}`;
  const stop = new AbortController();
  const common = { oneWay, ioTimeout: 20_000, connectTimeout: 20_000, signal: stop.signal };
  let receiving: Promise<TransferSummary> | undefined;
  const link = await new Promise<string>((onListening, reject) => {
    receiving = receive({
      decompressThreads: 1,
      ...options.receiving,
      ...common,
      input: listen(),
      output: reader,
      onListening,
    });
    receiving.catch(reject);
  });
  let sending: Promise<TransferSummary> | undefined;
  const input = await new Promise<string>((onListening, reject) => {
    const fast = { compressThreads: 1, flushAfter: 1, chunkSize: 65_536, format: 'opaque' } as const;
    sending = send({ ...fast, ...options.sending, ...common, input: listen(), output: link, onListening });
    sending.catch(reject);
  });
  const writer =
    kind === 'unix'
      ? net.connect({ path: input.slice('unix:'.length), allowHalfOpen: true })
      : net.connect({ port: Number(/\d+$/.exec(input)![0]), host: '127.0.0.1', allowHalfOpen: true });
  await once(writer, 'connect');
  const [socket] = await accepted;
  server.close();
  const ended = Promise.all([sending!, receiving!]);
  const letGo = (): void => {
    ended.catch(() => undefined);
    stop.abort();
    for (const end of [writer, socket]) end.destroy();
  };
  return { writer: new Party(writer, letGo), reader: new Party(socket, letGo), ended };
}

export async function endOf({ writer, reader, ended }: Line): Promise<void> {
  writer.socket.end();
  await reader.within("the end of the writer's words", once(reader.socket, 'end'));
  reader.socket.end();
  await reader.within('the end of send and receive', ended);
  writer.socket.destroy();
}
