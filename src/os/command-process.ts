// A command in a process of its own: its output, the JSON lines in it (as ramferry writes with --json), and its end. The process
// does not outlive this one: what still runs at exit gets SIGKILL.

import type { ChildProcess } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';

import { execa, type Options } from 'execa';

import { fromErrorData, isErrorCode, RamferryError, type ErrorData } from '../errors.js';
import { Signal } from './signal.js';

/** `message_type` tells the lines apart. */
export type JsonLine = Readonly<Record<string, unknown>>;

export interface CommandEnd {
  /** Null when a signal ended the process. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Both, one after the other. */
  readonly output: string;
}

export interface CommandProcessOptions {
  /** What error messages call it; the program by default. */
  readonly name?: string;
  /** Standard input, output and error, and further descriptors; by default no input, and output through pipes. */
  readonly stdio?: Options['stdio'];
  /** Variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called for each JSON line of standard output and standard error. */
  readonly onLine?: (line: JsonLine) => void;
  /** The caller reads standard output by itself: nothing of it is kept. */
  readonly keepStdout?: boolean;
}

const running = new Set<CommandProcess>();

function killAll(): void {
  for (const each of running) each.kill('SIGKILL');
}

export class CommandProcess {
  readonly process: ChildProcess;
  /** Settles when the process has ended and its output is complete. Rejects with ERR_INTERNAL when it cannot be started. */
  readonly ended: Promise<CommandEnd>;
  readonly #name: string;
  readonly #stdout: Buffer[] = [];
  #stderr = '';
  readonly #onLine: (line: JsonLine) => void;
  /** The first line of each type. */
  readonly #lines = new Map<string, JsonLine>();
  /** What an error line of the process says. */
  #reported: RamferryError | undefined;
  readonly #progress = new Signal();
  #over = false;

  /** @param command the program and its arguments */
  constructor(command: readonly string[], options: CommandProcessOptions = {}) {
    const [file = '', ...args] = command;
    this.#name = options.name ?? file;
    this.#onLine = options.onLine ?? (() => undefined);
    const subprocess = execa(file, args, {
      stdio: options.stdio ?? ['ignore', 'pipe', 'pipe'],
      env: options.env ?? {},
      reject: false,
      buffer: false,
      encoding: 'buffer',
      // Its own clean-up hooks all signals of this process, and SIGTERM is followed by SIGKILL after 5 s.
      cleanup: false,
      forceKillAfterDelay: false,
    });
    this.process = subprocess;
    const { stdout, stderr } = this.process;
    if (stdout !== null && options.keepStdout !== false) {
      this.#collect(stdout, (piece) => this.#stdout.push(piece));
    }
    if (stderr !== null) this.#collect(stderr, (_, text) => (this.#stderr += text));
    if (running.size === 0) process.on('exit', killAll);
    running.add(this);
    this.ended = subprocess.then(({ exitCode, signal, originalMessage }) =>
      this.#finish(exitCode, signal, originalMessage),
    );
    // A caller that waits for a line meets the failure there.
    this.ended.catch(() => undefined);
  }

  /** All of standard output, then all of standard error, so far. */
  get output(): string {
    return this.stdout.toString() + this.#stderr;
  }

  /** Standard output so far. */
  get stdout(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.process.kill(signal);
  }

  /**
   * The first line of this type.
   * @throws RamferryError what the process reports, or ERR_INTERNAL, when it ends without such a line
   */
  async line(type: string): Promise<JsonLine> {
    const found = await this.until(() => this.#lines.get(type));
    if (found !== undefined) return found;
    throw this.#reported ?? this.#failed(`ended without saying "${type}"`);
  }

  /**
   * The summary of a success.
   * @throws RamferryError what the process reports, or ERR_INTERNAL where it ends otherwise
   */
  async summary(): Promise<JsonLine> {
    const end = await this.ended;
    const summary = this.#lines.get('summary');
    if (end.status === 0 && summary !== undefined) return summary;
    throw this.#reported ?? this.failure(end);
  }

  /** Asks `find` after each piece of output; undefined when the process has ended and there is nothing to find. */
  async until<T>(find: () => T | undefined): Promise<T | undefined> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.#over) await this.ended;
      if (this.#over) return undefined;
      await this.#progress.wait();
    }
  }

  /** ERR_INTERNAL with the status and the first line of standard error. */
  failure({ status, signal }: CommandEnd): RamferryError {
    return this.#failed(`ended with ${signal ?? `status ${status}`}`);
  }

  #failed(what: string): RamferryError {
    const [first = ''] = this.#stderr.trim().split('\n');
    const reason = this.#reported?.describe() ?? first;
    return new RamferryError('ERR_INTERNAL', `${this.#name} ${what}${reason === '' ? '' : `: ${reason}`}`);
  }

  #collect(stream: Readable, keep: (piece: Buffer, text: string) => void): void {
    const decoder = new StringDecoder('utf8');
    let rest = '';
    stream.on('data', (piece: Buffer) => {
      const text = decoder.write(piece);
      keep(piece, text);
      const lines = text.split('\n');
      lines[0] = rest + lines[0]!;
      rest = lines.pop()!;
      for (const line of lines) this.#hear(line);
      this.#progress.notify();
    });
    stream.on('end', () => this.#hear(rest));
  }

  #hear(text: string): void {
    if (!text.startsWith('{')) return;
    let line: JsonLine;
    try {
      line = JSON.parse(text) as JsonLine;
    } catch {
      return; // output that only begins like one
    }
    const type = String(line['message_type']);
    if (type === 'error' && isErrorCode(line['code'])) {
      this.#reported = fromErrorData(line as unknown as ErrorData);
    }
    if (!this.#lines.has(type)) this.#lines.set(type, line);
    this.#onLine(line);
  }

  /** @param problem why it could not be started, where there is neither a status nor a signal */
  #finish(status?: number, signal?: NodeJS.Signals, problem = ''): CommandEnd {
    running.delete(this);
    if (running.size === 0) process.off('exit', killAll);
    this.#over = true;
    this.#progress.notify();
    if (status === undefined && signal === undefined) throw this.#failed(`cannot be started: ${problem}`);
    return {
      status: status ?? null,
      signal: signal ?? null,
      stdout: this.stdout,
      stderr: this.#stderr,
      output: this.output,
    };
  }
}
