// What a command is, and what yargs hands it.

import type { Argv } from 'yargs';

/** One command, in a file of its own. */
export interface Command {
  /** Commands within this one, of which one must be given. */
  readonly commands?: readonly Entry[];
  /** Adds positionals and options. */
  build(parser: Argv): Argv;
  /** Does it, and resolves with the exit status. */
  run(parsed: ParsedArguments): Promise<number>;
}

/** A command before it is loaded. */
export interface Entry {
  readonly usage: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** What yargs hands over: names as written and in camel case. */
export type ParsedArguments = Readonly<Record<string, unknown>>;

/** A positional that may be standard input: yargs hands over a bare dash as nothing. */
export function orDash(value: unknown): string {
  return String(value) || '-';
}
