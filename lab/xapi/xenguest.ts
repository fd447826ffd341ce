// A stand-in for xenguest under a real emu-manager: `xenguest -domid N …`, with a cleared environment. It serves emu-manager's JSON
// commands on a unix socket, gets the stream's descriptor there, and moves the stream with blocking calls. The directory
// /var/xen/xenguest/N has its scenario.json.

import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { handleOf } from '../../src/link/handle.js';
import { exitNow } from '../../src/os/process/exit.js';
import { receiveDescriptor } from './receive-descriptor.js';
import { streamToFile } from './stream-to-file.js';

export interface GuestScenario {
  /** Save: the file of the stream. Restore: the file for it. */
  readonly memory: string;
  /** Ends by SIGKILL after this many bytes. */
  readonly dieAt?: number;
  /** Moves no byte after this many, until it is aborted. */
  readonly stallAt?: number;
}

/** Of the sockets that emu-manager connects to. */
export const SOCKETS = '/var/xen';
const LOOK_MS = 1;
const PIECE = 1024 * 1024;
/** Below 50 pages emu-manager suspends the guest. */
const LEFT_PAGES = 40;

const write = promisify(fs.write);
const read = promisify(fs.read);

class Xenguest {
  readonly #scenario: GuestScenario;
  readonly #client: net.Socket;
  #stream = -1;
  #aborted = false;
  #moved = 0;
  #setPaused!: () => void;
  readonly #paused = new Promise<void>((resolve) => (this.#setPaused = resolve));
  #moving: Promise<void> = Promise.resolve();

  constructor(scenario: GuestScenario, client: net.Socket) {
    this.#scenario = scenario;
    this.#client = client;
  }

  /** Obeys commands until `quit`, or until emu-manager is gone. */
  async run(): Promise<void> {
    let text = '';
    for (;;) {
      const received = receiveDescriptor(handleOf(this.#client)!.fd);
      if (received === undefined) {
        await sleep(LOOK_MS);
        continue;
      }
      if (received.bytes.length === 0) break;
      if (received.descriptor !== undefined) this.#stream = received.descriptor;
      text += received.bytes.toString('latin1');
      // emu-manager waits for each answer, so the text holds one command at most.
      if (!isWhole(text)) continue;
      const { execute } = JSON.parse(text) as { execute: string };
      text = '';
      this.#send({ return: {} });
      if (execute === 'quit') break;
      this.#obey(execute);
    }
    await this.#moving;
  }

  #obey(command: string): void {
    if (command === 'migrate_abort') this.#aborted = true;
    if (command === 'migrate_abort' || command === 'migrate_paused') this.#setPaused();
    if (command === 'migrate_live') this.#begin(this.#save(true));
    if (command === 'migrate_nonlive') this.#begin(this.#save(false));
    if (command === 'restore') this.#begin(this.#restore());
  }

  #begin(moving: Promise<void>): void {
    // As the real one, it ends with a failure where the stream fails.
    this.#moving = moving.catch(() => {
      if (!this.#aborted) exitNow(1);
    });
  }

  #send(message: object): void {
    this.#client.write(`${JSON.stringify(message)}\n`);
  }

  #report(data: object): void {
    this.#send({ event: 'MIGRATION', data });
  }

  async #save(live: boolean): Promise<void> {
    const memory = fs.readFileSync(this.#scenario.memory);
    const half = live ? Math.floor(memory.length / 2) : 0;
    if (live) {
      this.#report({ remaining: memory.length >> 12, sent: 0, iteration: 0 });
      await this.#write(memory.subarray(0, half));
      this.#report({ remaining: LEFT_PAGES, sent: half >> 12, iteration: 1 });
      await this.#paused;
    }
    await this.#write(memory.subarray(half));
    this.#report({ status: 'completed' });
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#aborted) throw new Error('aborted');
      const { bytesWritten } = await write(this.#stream, bytes, at, Math.min(PIECE, bytes.length - at), null);
      at += bytesWritten;
      await this.#accident(bytesWritten);
    }
  }

  async #restore(): Promise<void> {
    const isWhole = await streamToFile(this.#scenario.memory, {
      piece: PIECE,
      read: async (buffer, at, room) => (await read(this.#stream, buffer, at, room, null)).bytesRead,
      onPiece: (bytes) => this.#accident(bytes),
    });
    if (!isWhole) throw new Error('unexpected end of file');
    this.#report({ status: 'completed', result: '3 4' });
  }

  async #accident(bytes: number): Promise<void> {
    this.#moved += bytes;
    const { dieAt = Infinity, stallAt = Infinity } = this.#scenario;
    if (this.#moved >= dieAt) process.kill(process.pid, 'SIGKILL');
    while (this.#moved >= stallAt && !this.#aborted) await sleep(LOOK_MS);
  }
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const domid = process.argv[process.argv.indexOf('-domid') + 1]!;
const directory = path.join(SOCKETS, 'xenguest', domid);
const scenario = JSON.parse(fs.readFileSync(path.join(directory, 'scenario.json'), 'utf8')) as GuestScenario;
const server = net.createServer({ pauseOnConnect: true }, (client) => {
  client.on('error', () => undefined);
  void new Xenguest(scenario, client).run().then(() => exitNow(0));
});
server.listen(path.join(directory, 'control'), () => fs.writeSync(1, 'Ready\n'));
