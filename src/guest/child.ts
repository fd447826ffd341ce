// A process of our own command line that reports in JSON lines: waits for what it says, and rebuilds the error that it
// ended with. Knows no command.

import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fromErrorData, isErrorCode, RamferryError, type ErrorData } from '../errors.js';

/** What a line says; `message_type` tells lines apart. */
export type Line = Readonly<Record<string, unknown>>;

export class Child {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #onLine: (line: Line) => void;
  readonly #lines = new Map<string, Line>();
  readonly #waiting: { type: string; resolve: (line: Line) => void }[] = [];
  #error: RamferryError | undefined;
  #stderr = '';
  /** Rejects with the error that the process reports; resolves with its summary. */
  readonly ended: Promise<Line>;

  /** @param name for messages; @param onLine called for every line */
  constructor(name: string, command: readonly string[], onLine: (line: Line) => void = () => undefined) {
    this.#name = name;
    this.#onLine = onLine;
    const [file, ...args] = command;
    const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    createInterface({ input: child.stdout }).on('line', (text) => this.#hear(text));
    createInterface({ input: child.stderr }).on('line', (text) => this.#hear(text));
    this.ended = new Promise((resolve, reject) => {
      child.once('error', (thrown) => reject(this.#failed(`cannot be started: ${thrown.message}`)));
      child.once('close', (status, signal) => {
        const summary = this.#lines.get('summary');
        if (status === 0 && summary !== undefined) resolve(summary);
        else reject(this.#error ?? this.#failed(`ended with ${signal ?? `status ${status}`}`));
      });
    });
    // It is also awaited elsewhere; until then a failure must not end this process.
    this.ended.catch(() => undefined);
  }

  /** The first line of that type; rejects when the process ends without it. */
  says(type: string): Promise<Line> {
    const said = this.#lines.get(type);
    if (said !== undefined) return Promise.resolve(said);
    return Promise.race([
      new Promise<Line>((resolve) => this.#waiting.push({ type, resolve })),
      this.ended.then(() => {
        throw this.#failed(`ended without saying "${type}"`);
      }),
    ]);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #hear(text: string): void {
    let line: Line;
    try {
      line = JSON.parse(text) as Line;
    } catch {
      this.#stderr = text;
      return;
    }
    const type = String(line['message_type']);
    if (type === 'error' && isErrorCode(line['code'])) {
      this.#error = fromErrorData(line as unknown as ErrorData);
    }
    if (!this.#lines.has(type)) this.#lines.set(type, line);
    this.#onLine(line);
    for (const each of this.#waiting) if (each.type === type) each.resolve(line);
  }

  #failed(what: string): RamferryError {
    const last = this.#stderr === '' ? '' : `: ${this.#stderr}`;
    return new RamferryError('ERR_INTERNAL', `${this.#name} ${what}${last}`);
  }
}
