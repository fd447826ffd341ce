// Processes that the harness starts: ramferry's own command, and the programs around it. The harness reads their output
// and waits for their end. No process outlives the harness.

import {
  CommandProcess,
  type CommandEnd,
  type CommandProcessOptions,
} from '../src/os/process/command-process.js';
import { environmentName } from '../src/options/names.js';
import { killLater } from './cleanup.js';
import { COMPILED_COMMAND, SHIPPED_COMMAND } from './places.js';

/** The command line of the shipped ramferry. */
export function ramferry(...args: readonly string[]): string[] {
  return [process.execPath, SHIPPED_COMMAND, ...args];
}

/** The command line of the compiled ramferry. */
export function compiledRamferry(...args: readonly string[]): string[] {
  return [process.execPath, COMPILED_COMMAND, ...args];
}

/** The same command in a network namespace. */
export function inNamespace(namespace: string | undefined, command: readonly string[]): readonly string[] {
  return namespace === undefined ? command : ['ip', 'netns', 'exec', namespace, ...command];
}

const HISTORY = environmentName('history');

export class Command extends CommandProcess {
  constructor(command: readonly string[], options: CommandProcessOptions = {}) {
    // What one run measures must not change the next one.
    super(command, { ...options, env: { [HISTORY]: 'no', ...options.env } });
    killLater(this.process);
  }

  /**
   * The first match in standard output and then standard error.
   * @throws Error with all output when the process ends without a match
   */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const match = await this.until(() => pattern.exec(this.output) ?? undefined);
    if (match === undefined) throw new Error(`ended without saying ${String(pattern)}: ${this.output}`);
    return match;
  }

  /** Resolves with the address when a command with `--json` listens. */
  async listening(): Promise<string> {
    return String((await this.line('listening'))['address']);
  }

  /** Waits for the end. @throws Error with the standard error when the status is not 0 */
  async succeeded(): Promise<CommandEnd> {
    const end = await this.ended;
    if (end.status === 0) return end;
    throw new Error(`${this.process.spawnargs.join(' ')} ended with ${end.status}: ${end.stderr}`);
  }
}
