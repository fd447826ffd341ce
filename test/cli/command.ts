// Runs the command line as a process, and waits for its output.

import type { ChildProcessWithoutNullStreams } from 'node:child_process';

import { Command as LabCommand, compiledRamferry } from '../../lab/command.js';
import { COMPILED_COMMAND } from '../../lab/places.js';
import { within } from '../../lab/within.js';
import type { CommandEnd } from '../../src/os/process/command-process.js';

export const MAIN = COMPILED_COMMAND;

/** Time limit for the first output: the process starts, and reads or measures something, before it prints. */
const PATIENCE_MS = 60_000;

export type Ended = CommandEnd;

export class Command extends LabCommand {
  declare readonly process: ChildProcessWithoutNullStreams;

  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    super(compiledRamferry(...args), { stdio: 'pipe', env: environment });
    // A command may end without reading its input.
    this.process.stdin.on('error', () => undefined);
  }

  override says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.within(String(pattern), super.says(pattern));
  }

  /** Waits for an event that the command must cause soon. Kills the command when the event does not come. */
  within<T>(what: string, promise: Promise<T>): Promise<T> {
    return within(what, promise, () => this.kill(), PATIENCE_MS);
  }
}

/** Runs the command to its end, with an empty standard input. */
export function run(args: readonly string[], environment?: Record<string, string>): Promise<Ended> {
  const command = new Command(args, environment);
  command.process.stdin.end();
  return command.ended;
}
