// Runs the command line as a process of its own, and waits for what it says.

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { within } from '../../lab/within.js';

export const MAIN = join(import.meta.dirname, '../../src/cli/main.js');

/** A process starts, and reads or measures something, before it says a word. */
const PATIENCE_MS = 60_000;

export interface Ended {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export class Command {
  readonly process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  #stdout: Buffer[] = [];
  #stderr = '';

  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    this.process = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...environment } });
    this.process.stdout.on('data', (piece: Buffer) => this.#stdout.push(piece));
    this.process.stderr.setEncoding('utf8').on('data', (piece: string) => (this.#stderr += piece));
    // A command that ends without reading its input is not our failure.
    this.process.stdin.on('error', () => undefined);
    this.ended = once(this.process, 'close').then(([status]: unknown[]) => ({
      status: status as number | null,
      stdout: Buffer.concat(this.#stdout),
      stderr: this.#stderr,
    }));
  }

  /** Resolves with the match as soon as stdout and stderr, in that order, contain the pattern. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.within(String(pattern), this.#says(pattern));
  }

  /** Waits for something that the command must do soon; ends it when it does not. */
  within<T>(what: string, promise: Promise<T>): Promise<T> {
    return within(what, promise, () => this.process.kill('SIGKILL'), PATIENCE_MS);
  }

  async #says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const text = Buffer.concat(this.#stdout).toString('latin1') + this.#stderr;
      const match = pattern.exec(text);
      if (match !== null) return match;
      if (this.process.exitCode !== null || this.process.signalCode !== null) {
        throw new Error(`ended without saying ${String(pattern)}: ${text}`);
      }
      await Promise.race([
        once(this.process.stdout, 'data'),
        once(this.process.stderr, 'data'),
        once(this.process, 'close'),
      ]);
    }
  }
}

/** Runs to the end, with an empty standard input. */
export function run(args: readonly string[], environment?: Record<string, string>): Promise<Ended> {
  const command = new Command(args, environment);
  command.process.stdin.end();
  return command.ended;
}
