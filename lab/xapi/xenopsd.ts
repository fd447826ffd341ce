// A stand-in for xenopsd. It starts the front as xenopsd starts emu-manager, with blocking descriptors that both share.
// It writes and reads its own headers on the stream, and answers the control channel.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ByteSink, ByteSource } from '../../src/io/bytes.js';
import { libc } from '../../src/os/libc.js';
import { readLines, textOf } from '../../src/hypervisor/xapi/lines.js';
import { COMPILED_COMMAND } from '../places.js';
import type { FakeScenario } from './fake-emu-manager.js';
import { closeLinks, linkOf } from './stream.js';

const FAKE = path.join(import.meta.dirname, 'fake-emu-manager.js');

const read = promisify(fs.read);
const write = promisify(fs.write);

/** A header of xenopsd's stream, a type and a length (suspend_image.ml). */
export function header(type: number, length = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(type), 0);
  bytes.writeBigUInt64LE(BigInt(length), 8);
  return bytes;
}
export const LIBXC_HEADER = header(0x00f0);
export const DEMU_HEADER = header(0x0f10);
export const END_HEADER = header(0xffff);

/** A temporary directory with the stand-in for emu-manager as a program without arguments. */
export class Workshop {
  readonly directory: string;
  readonly emuManager: string;
  #files = 0;

  /** @param script replaces the stand-in that FakeScenario describes */
  constructor(
    script = `#!/bin/sh\nexec '${process.execPath}' '${FAKE}' "$@"\n`,
    directory = path.join(os.tmpdir(), 'ramferry-emu-'),
  ) {
    this.directory = fs.mkdtempSync(directory);
    this.emuManager = path.join(this.directory, 'emu-manager');
    fs.writeFileSync(this.emuManager, script, { mode: 0o755 });
  }

  file(contents?: Uint8Array): string {
    const name = path.join(this.directory, `file-${this.#files++}`);
    if (contents !== undefined) fs.writeFileSync(name, contents);
    return name;
  }

  /** Removes everything, also after a failed test, so that nothing keeps the test process alive. */
  remove(): void {
    for (const process of processes.splice(0)) process.kill('SIGKILL');
    closeLinks();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

const processes: ChildProcess[] = [];

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
  /** Further arguments for emu-manager. */
  readonly args?: readonly string[];
  /** Options of the front. */
  readonly options?: readonly string[];
  /** Descriptors that keep their numbers in the front. */
  readonly share?: readonly number[];
  /** Program to start instead of the front. */
  readonly program?: string;
  /** Path of ramferry's command; default: the compiled one. */
  readonly command?: string;
  /** Further environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** The front's logging options, instead of a file alone. */
  readonly logging?: readonly string[];
}

const CONTROL_IN = 3;
const CONTROL_OUT = 4;
/** Descriptor number of the stream in the front. */
export const STREAM = 5;

/** One front, started and controlled as by xenopsd. */
export class Xenopsd {
  readonly notes: string;
  readonly logFile: string;
  readonly process: ChildProcess;
  readonly ended: Promise<{ status: number | null; signal: string | null }>;
  /** Every received line, in order. */
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
    const logging = options.logging ?? ['--no-syslog', '--log-file', this.logFile];
    const own = [...logging, ...(options.options ?? [])];
    const command = options.command ?? COMPILED_COMMAND;
    const front = [command, 'emu-manager', ...own, '--exec', workshop.emuManager, '--', ...words];
    const [program, args] =
      options.program === undefined ? [process.execPath, front] : [options.program, words];
    this.process = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', commands[0], answers[1], fd, ...(options.share ?? [])],
      env: { ...process.env, FAKE_EMU: JSON.stringify(scenario), ...options.env },
    });
    processes.push(this.process);
    fs.closeSync(commands[0]);
    fs.closeSync(answers[1]);
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.process.stdout!.resume();
    this.ended = new Promise((resolve) => {
      this.process.once('exit', (status, signal) => resolve({ status, signal }));
    });
    this.#commands = linkOf(commands[1], true, false, true).sink!;
    void this.#listen(linkOf(answers[0], true, true, false).source!);
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

  /** The next received line; undefined when the channel has ended. */
  async hear(): Promise<string | undefined> {
    while (this.heard.length <= this.#unread) {
      if (this.#silent) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    // xenopsd may use its stream after every line, so the descriptor's flags must be right each time.
    this.checkFlags();
    return this.heard[this.#unread++];
  }

  /** The next line that is not a progress line. */
  async hearNews(): Promise<string | undefined> {
    let line = await this.hear();
    while (line?.startsWith('info:\\b') === true) line = await this.hear();
    return line;
  }

  /** Asserts that the next line, progress lines skipped, is `line`. */
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

  /** Writes with blocking calls, as xenopsd does; on another thread, so that this one can read the far end. */
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

  /** The notes of the stand-in for emu-manager. */
  noted(what = ''): string[] {
    return fs
      .readFileSync(this.notes, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(what) && line !== '');
  }

  /** Waits until the stand-in for emu-manager has noted `what`; it may be slower than the front. */
  async until(what: string): Promise<void> {
    while (this.noted(what).length === 0) await sleep(5);
  }

  async status(): Promise<number> {
    const { status, signal } = await this.ended;
    if (status === null) this.explain(`ended by ${signal ?? 'nothing'}`);
    return status;
  }

  /** Answers the front's messages of a save up to the result, and writes xenopsd's headers. */
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
