// One process of the command line in a soak trial: started, watched against a deadline, killed, and judged as an End.

import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';

import { SHIPPED_COMMAND } from '../../lab/places.js';
import { killLater } from '../../lab/cleanup.js';
import type { End } from './rules.js';

/** A transfer of the soak takes a second or two; a loaded host, ten times as long. */
const DEADLINE_MS = 90_000;

export class Program {
  readonly process: ChildProcess;
  readonly ended: Promise<End>;
  output = '';
  #sent: NodeJS.Signals | undefined;
  #over = false;
  #hung = false;

  constructor(args: readonly string[], stdio: StdioOptions = ['ignore', 'pipe', 'pipe']) {
    this.process = spawn(process.execPath, [SHIPPED_COMMAND, ...args, '--json', '--quiet'], { stdio });
    killLater(this.process);
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream === null) continue;
      // A stream of bytes is no text, and none is kept.
      if (stream === this.process.stdout && args.at(-1) === '-') continue;
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.ended = this.#watch();
  }

  /** The same command as a line for `sh -c`. */
  static shellCommand(args: readonly string[]): string {
    return [process.execPath, SHIPPED_COMMAND, ...args, '--quiet'].map((word) => `'${word}'`).join(' ');
  }

  get over(): boolean {
    return this.#over;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#over) return;
    this.#sent = signal;
    this.process.kill(signal);
  }

  /** The address to connect to, once it can be connected to. */
  async listening(): Promise<string> {
    for (;;) {
      const address = /"message_type":"listening","address":"([^"]+)"/.exec(this.output)?.[1];
      if (address !== undefined) return address;
      if (this.#over) throw new Error(`ended before it listened: ${this.output}`);
      await Promise.race([once(this.process.stdout!, 'data'), this.ended]);
    }
  }

  async #watch(): Promise<End> {
    const timer = setTimeout(() => {
      this.#hung = true;
      this.process.kill('SIGKILL');
    }, DEADLINE_MS);
    const [status, signal] = (await once(this.process, 'close')) as [number | null, NodeJS.Signals | null];
    clearTimeout(timer);
    this.#over = true;
    const said = /"message_type":"(summary|error)"/.test(this.output);
    const killed = signal !== null && signal === this.#sent;
    return { status, signal, killed, hung: this.#hung, said };
  }
}
