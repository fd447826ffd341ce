// A stand-in for xenopsd: it starts the front as xenopsd starts emu-manager, with blocking descriptors that both share,
// writes and reads its own headers on the stream, and answers the control channel.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { ByteSink, ByteSource } from '../../../src/io/bytes.js';
import { libc } from '../../../src/io/libc.js';
import { RamferryError } from '../../../src/errors.js';
import { type SocketLink, socketLinkOfDescriptor } from '../../../src/link/socket.js';
import { socketPair } from '../../../src/hypervisor/descriptors.js';
import { readLines, textOf } from '../../../src/hypervisor/lines.js';
import type { FakeScenario } from './fake-emu-manager.js';

const MAIN = path.join(import.meta.dirname, '../../../src/cli/main.js');
const FAKE = path.join(import.meta.dirname, 'fake-emu-manager.js');

const read = promisify(fs.read);
const write = promisify(fs.write);

/** suspend_image.ml: headers of a type and a length. */
export function header(type: number, length = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(type), 0);
  bytes.writeBigUInt64LE(BigInt(length), 8);
  return bytes;
}
export const LIBXC_HEADER = header(0x00f0);
export const DEMU_HEADER = header(0x0f10);
export const END_HEADER = header(0xffff);

/** A private directory with the stand-in for emu-manager as a program without arguments. */
export class Workshop {
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-emu-'));
  readonly emuManager = path.join(this.directory, 'emu-manager');
  #files = 0;

  constructor() {
    fs.writeFileSync(this.emuManager, `#!/bin/sh\nexec '${process.execPath}' '${FAKE}' "$@"\n`, {
      mode: 0o755,
    });
  }

  file(contents?: Uint8Array): string {
    const name = path.join(this.directory, `file-${this.#files++}`);
    if (contents !== undefined) fs.writeFileSync(name, contents);
    return name;
  }

  /** Also of tests that failed half-way: nothing stays behind, and nothing keeps the test process. */
  remove(): void {
    for (const process of processes.splice(0)) process.kill('SIGKILL');
    for (const link of links.splice(0)) link.fail(new RamferryError('ERR_LINK_CLOSED', 'the test is over'));
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

const processes: ChildProcess[] = [];
const links: SocketLink[] = [];

export type Transport = 'socket' | 'pipe';

/** The stream between two hosts, or to a disk: xenopsd's end, and the far one. */
export interface Stream {
  readonly saving: boolean;
  /** Blocking, and shared with whom xenopsd starts. */
  readonly fd: number;
  /** Not for regular files. */
  readonly far: number;
}

export function openStream(transport: Transport, saving: boolean): Stream {
  if (transport === 'socket') {
    const { ours, theirs } = socketPair();
    return { saving, fd: ours, far: theirs };
  }
  const [reading, writing] = libc()!.pipe()!;
  return { saving, fd: saving ? writing : reading, far: saving ? reading : writing };
}

/** The network's side of a stream, to read from or write to; its own description is not shared with anybody. */
export function farEnd(stream: Stream, transport: Transport): { source: ByteSource; sink: ByteSink } {
  const socket = transport === 'socket';
  const link = socketLinkOfDescriptor(stream.far, {
    label: 'the far end',
    readable: socket || stream.saving,
    writable: socket || !stream.saving,
    pipe: !socket,
    ioTimeout: 0,
  });
  links.push(link);
  return { source: link.source!, sink: link.sink! };
}

export function flagsOf(fd: number): string {
  return /^flags:\s*(\d+)/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '';
}

export function offsetOf(fd: number): number {
  return Number(/^pos:\s*(\d+)/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1]);
}

export interface FrontOptions {
  readonly workshop: Workshop;
  readonly mode: 'hvm_save' | 'save' | 'hvm_restore' | 'restore';
  readonly fd: number;
  readonly scenario: Partial<FakeScenario>;
  /** More arguments for emu-manager. */
  readonly args?: readonly string[];
  /** Options of the front. */
  readonly options?: readonly string[];
  /** Descriptors that keep their numbers in the front. */
  readonly share?: readonly number[];
  /** Start this instead of the front. */
  readonly program?: string;
}

const CONTROL_IN = 3;
const CONTROL_OUT = 4;
/** The number that the stream has in the front. */
export const STREAM = 5;

/** One front, started and talked to as xenopsd does. */
export class Xenopsd {
  readonly notes: string;
  readonly logFile: string;
  readonly process: ChildProcess;
  readonly ended: Promise<{ status: number | null; signal: string | null }>;
  /** Every line that came, in order. */
  readonly heard: string[] = [];
  readonly fd: number;
  readonly #commands: ByteSink;
  readonly #flags: string;
  #stderr = '';
  #unread = 0;
  #wake: () => void = () => undefined;
  #silent = false;

  constructor(options: FrontOptions) {
    const { workshop, fd, mode } = options;
    this.fd = fd;
    this.notes = workshop.file(Buffer.alloc(0));
    this.logFile = workshop.file(Buffer.alloc(0));
    this.#flags = flagsOf(fd);
    const scenario: FakeScenario = { ...options.scenario, notes: this.notes };
    const commands = libc()!.pipe()!;
    const answers = libc()!.pipe()!;
    const words = [
      '-controloutfd',
      String(CONTROL_OUT),
      '-controlinfd',
      String(CONTROL_IN),
      '-debug',
      'true',
    ];
    words.push('-fd', String(STREAM), '-mode', mode, '-domid', '7', ...(options.args ?? []));
    const own = ['--no-syslog', '--log-file', this.logFile, ...(options.options ?? [])];
    const front = [MAIN, 'emu-manager', ...own, '--exec', workshop.emuManager, '--', ...words];
    const [program, args] =
      options.program === undefined ? [process.execPath, front] : [options.program, words];
    this.process = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', commands[0], answers[1], fd, ...(options.share ?? [])],
      env: { ...process.env, FAKE_EMU: JSON.stringify(scenario) },
    });
    processes.push(this.process);
    fs.closeSync(commands[0]);
    fs.closeSync(answers[1]);
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.process.stdout!.resume();
    this.ended = new Promise((resolve) => {
      this.process.once('exit', (status, signal) => resolve({ status, signal }));
    });
    const link = { ioTimeout: 0, pipe: true, label: 'control' };
    const to = socketLinkOfDescriptor(commands[1], { ...link, readable: false, writable: true });
    const from = socketLinkOfDescriptor(answers[0], { ...link, readable: true, writable: false });
    links.push(to, from);
    this.#commands = to.sink!;
    void this.#listen(from.source!);
  }

  async #listen(source: ByteSource): Promise<void> {
    try {
      for await (const line of readLines(source)) {
        this.heard.push(textOf(line));
        this.#wake();
      }
    } catch {
      // the test is over
    }
    this.#silent = true;
    this.#wake();
  }

  /** The next line; undefined when the channel has ended. */
  async hear(): Promise<string | undefined> {
    while (this.heard.length <= this.#unread) {
      if (this.#silent) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.heard[this.#unread++];
  }

  /** The next line that is no progress. */
  async hearNews(): Promise<string | undefined> {
    let line = await this.hear();
    while (line?.startsWith('info:\\b') === true) line = await this.hear();
    return line;
  }

  /** The next line that is no progress must be this one. */
  async expect(line: string): Promise<void> {
    const next = await this.hearNews();
    if (next !== line) this.explain(`expected ${line}, heard ${next ?? 'the end of the channel'}`);
  }

  explain(text: string): never {
    throw new Error(
      `${text}\n${this.#stderr}\n${fs.readFileSync(this.logFile, 'utf8')}\n${this.noted().join('\n')}`,
    );
  }

  async say(line: string): Promise<void> {
    await this.#commands.write(Buffer.from(`${line}\n`));
  }

  /** Ends the control channel. */
  async hangUp(): Promise<void> {
    await this.#commands.finish();
  }

  /** Blocking, as xenopsd writes; on a thread, so that the other end can be read meanwhile. */
  async writeToStream(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += (await write(this.fd, bytes, at, bytes.length - at, null)).bytesWritten;
    }
  }

  async readFromStream(length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length;) {
      const { bytesRead } = await read(this.fd, bytes, at, length - at, null);
      assert.notEqual(bytesRead, 0, 'the stream ended');
      at += bytesRead;
    }
    return bytes;
  }

  checkFlags(): void {
    assert.equal(flagsOf(this.fd), this.#flags, 'the flags of the shared description');
  }

  /** What the stand-in for emu-manager wrote down. */
  noted(what = ''): string[] {
    return fs
      .readFileSync(this.notes, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(what) && line !== '');
  }

  async status(): Promise<number> {
    const { status, signal } = await this.ended;
    if (status === null) this.explain(`ended by ${signal ?? 'nothing'}`);
    return status;
  }

  /** The answers of a save, up to the result; writes xenopsd's headers where it has to. */
  async save(live: boolean, vgpu = false): Promise<void> {
    const suspended = async (): Promise<void> => {
      await this.expect('suspend:');
      await this.say('done');
    };
    if (!live) await suspended();
    await this.expect('prepare:xenguest');
    await this.writeToStream(LIBXC_HEADER);
    await this.say('done');
    if (live) await suspended();
    if (vgpu) {
      await this.expect('prepare:vgpu');
      await this.writeToStream(DEMU_HEADER);
      await this.say('done');
    }
    await this.expect('result:0 0');
    this.checkFlags();
  }
}
