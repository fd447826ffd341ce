// The interface of a command, and the arguments that yargs passes to it.

import type { Argv } from 'yargs';

/** One command, in a file of its own. */
export interface Command {
  /** Commands within this one, of which one must be given. */
  readonly commands?: readonly Entry[];
  /** Adds positionals and options. */
  build(parser: Argv): Argv;
  /** Runs the command and resolves with the exit status. */
  run(parsed: ParsedArguments): Promise<number>;
}

/** A command before it is loaded. */
export interface Entry {
  readonly usage: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** yargs' result: option names as written and in camel case. */
export type ParsedArguments = Readonly<Record<string, unknown>>;

/** A positional that may be standard input: yargs passes a bare dash as an empty text. */
export function orDash(value: unknown): string {
  return String(value) || '-';
}
