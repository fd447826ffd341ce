// One process of the command line in a soak trial: started, watched against a deadline, killed, and judged as an End.

import type { ChildProcess, StdioOptions } from 'node:child_process';

import { Command, ramferry } from '../../lab/command.js';
import type { CommandProcessOptions } from '../../src/os/process/command-process.js';
import type { End } from './rules.js';

/** Deadline of a program. A transfer takes 1 to 2 s, and on a loaded host ten times as long. */
const DEADLINE_MS = 90_000;

export class Program {
  readonly process: ChildProcess;
  readonly ended: Promise<End>;
  readonly #command: Command;
  #sent: NodeJS.Signals | undefined;
  #over = false;
  #hung = false;

  constructor(args: readonly string[], stdio: StdioOptions = ['ignore', 'pipe', 'pipe']) {
    this.#command = new Command(ramferry(...args, '--json', '--quiet'), {
      stdio: stdio as NonNullable<CommandProcessOptions['stdio']>,
      // With `-` as the last argument, standard output is a stream of bytes.
      keepStdout: args.at(-1) !== '-',
    });
    this.process = this.#command.process;
    this.ended = this.#watch();
  }

  /** The same command as a line for `sh -c`. */
  static shellCommand(args: readonly string[]): string {
    return ramferry(...args, '--quiet')
      .map((word) => `'${word}'`)
      .join(' ');
  }

  /** Standard output and standard error so far. */
  get output(): string {
    return this.#command.output;
  }

  get over(): boolean {
    return this.#over;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#over) return;
    this.#sent = signal;
    this.process.kill(signal);
  }

  /** The address to connect to, once the program listens. */
  listening(): Promise<string> {
    return this.#command.listening();
  }

  async #watch(): Promise<End> {
    const timer = setTimeout(() => {
      this.#hung = true;
      this.process.kill('SIGKILL');
    }, DEADLINE_MS);
    const { status, signal, output } = await this.#command.ended;
    clearTimeout(timer);
    this.#over = true;
    const said = /"message_type":"(summary|error)"/.test(output);
    const killed = signal !== null && signal === this.#sent;
    return { status, signal, killed, hung: this.#hung, said };
  }
}
