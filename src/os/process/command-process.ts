// `CommandProcess`: runs a command in a child process. Gives its output, the JSON lines in it (as ramferry writes with --json) and its
// exit. A child that still runs when this process exits gets SIGKILL.

import type { ChildProcess } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';

import { execa, type Options } from 'execa';

import { fromErrorData, isErrorCode, RamferryError, type ErrorData } from '../../errors.js';
import { Signal } from '../signal.js';

/** A line of JSON output; `message_type` holds its type. */
export type JsonLine = Readonly<Record<string, unknown>>;

export interface CommandEnd {
  /** Null when a signal ended the process. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Standard output, then standard error. */
  readonly output: string;
}

export interface CommandProcessOptions {
  /** Name of the command in error messages; the program by default. */
  readonly name?: string;
  /** Standard input, output and error, and further descriptors. The default is no input, and output through pipes. */
  readonly stdio?: Options['stdio'];
  /** Environment variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called for each JSON line of standard output and standard error. */
  readonly onLine?: (line: JsonLine) => void;
  /** False = the caller reads standard output itself, and it is neither kept nor parsed. */
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
  /** The error in an error line of the process. */
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
      // execa's clean-up would hook all signals of this process, and would send SIGKILL 5 s after SIGTERM.
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
    // Prevents an unhandled rejection. A caller that waits for a line gets the error there.
    this.ended.catch(() => undefined);
  }

  /** Standard output so far, then standard error so far. */
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
   * Waits for the first line of this type.
   * @throws RamferryError when the process ends without such a line: the error that it reports, or ERR_INTERNAL
   */
  async line(type: string): Promise<JsonLine> {
    const found = await this.until(() => this.#lines.get(type));
    if (found !== undefined) return found;
    throw this.#reported ?? this.#failed(`ended without saying "${type}"`);
  }

  /**
   * Waits for the end of the process and returns its summary.
   * @throws RamferryError when the process fails or writes no summary: the error that it reports, or ERR_INTERNAL
   */
  async summary(): Promise<JsonLine> {
    const end = await this.ended;
    const summary = this.#lines.get('summary');
    if (end.status === 0 && summary !== undefined) return summary;
    throw this.#reported ?? this.failure(end);
  }

  /** Calls `find` after each piece of output until it returns a value. Returns undefined when the process ends first. */
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
      return; // output that begins with a brace but is no JSON
    }
    const type = String(line['message_type']);
    if (type === 'error' && isErrorCode(line['code'])) {
      this.#reported = fromErrorData(line as unknown as ErrorData);
    }
    if (!this.#lines.has(type)) this.#lines.set(type, line);
    this.#onLine(line);
  }

  /** @param problem why the process could not be started; used when there is neither a status nor a signal */
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
