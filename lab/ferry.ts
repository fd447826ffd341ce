// `ramferry send` and `receive` as processes, between two QEMUs. Both report in JSON; what they said is kept for the
// message of a failure. Tests run the program as it was compiled; who measures runs the command's own file.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

import { killLater } from './cleanup.js';
import { COMPILED_COMMAND } from './places.js';

export interface FerryEnd {
  readonly status: number | null;
  readonly output: string;
}

export class Ferry {
  readonly process: ChildProcess;
  readonly ended: Promise<FerryEnd>;
  #output = '';

  /** @param args of the command line; `--json` is added. @param main the program's file */
  constructor(args: readonly string[], namespace?: string, main = COMPILED_COMMAND) {
    const command = [process.execPath, main, ...args, '--json'];
    if (namespace !== undefined) command.unshift('ip', 'netns', 'exec', namespace);
    this.process = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    killLater(this.process);
    for (const stream of [this.process.stdout!, this.process.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
    this.ended = once(this.process, 'close').then(([status]) => ({
      status: status as number | null,
      output: this.#output,
    }));
  }

  /** The address to connect to, once it can be connected to. */
  async listening(): Promise<string> {
    for (;;) {
      const match = /"message_type":"listening","address":"([^"]+)"/.exec(this.#output);
      if (match !== null) return match[1]!;
      const end = await Promise.race([
        once(this.process.stdout!, 'data'),
        once(this.process.stderr!, 'data'),
        this.ended,
      ]);
      if ('status' in end) throw new Error(`ramferry ended with ${end.status}: ${end.output}`);
    }
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }
}
