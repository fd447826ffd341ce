// Runs the command line as a process of its own, and waits for what it says.

import type { ChildProcessWithoutNullStreams } from 'node:child_process';

import { Command as LabCommand, compiledRamferry } from '../../lab/command.js';
import { COMPILED_COMMAND } from '../../lab/places.js';
import { within } from '../../lab/within.js';
import type { CommandEnd } from '../../src/os/command-process.js';

export const MAIN = COMPILED_COMMAND;

/** A process starts, and reads or measures something, before it says a word. */
const PATIENCE_MS = 60_000;

export type Ended = CommandEnd;

export class Command extends LabCommand {
  declare readonly process: ChildProcessWithoutNullStreams;

  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    super(compiledRamferry(...args), { stdio: 'pipe', env: environment });
    // A command that ends without reading its input is no failure of the test.
    this.process.stdin.on('error', () => undefined);
  }

  override says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.within(String(pattern), super.says(pattern));
  }

  /** Waits for something that the command must do soon; ends it when it does not. */
  within<T>(what: string, promise: Promise<T>): Promise<T> {
    return within(what, promise, () => this.kill(), PATIENCE_MS);
  }
}

/** Runs to the end, with an empty standard input. */
export function run(args: readonly string[], environment?: Record<string, string>): Promise<Ended> {
  const command = new Command(args, environment);
  command.process.stdin.end();
  return command.ended;
}
