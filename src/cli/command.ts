// Interface of a command of the command line, and the arguments that yargs passes to it.

import type { Argv } from 'yargs';

/** One command. Each command has its own file. */
export interface Command {
  /** Subcommands, of which the user must give one. */
  readonly commands?: readonly Entry[];
  /** Adds positionals and options. */
  build(parser: Argv): Argv;
  /** Runs the command and resolves with the exit status. */
  run(parsed: ParsedArguments): Promise<number>;
}

/** A command whose modules are not yet loaded. */
export interface Entry {
  readonly usage: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** yargs' result: option names as written and in camel case. */
export type ParsedArguments = Readonly<Record<string, unknown>>;

/** The value of a positional that may be standard input. yargs passes a bare dash as an empty text. */
export function orDash(value: unknown): string {
  return String(value) || '-';
}

/** How yargs reads a command line, whichever options the command has. */
export const PARSING = {
  // xapi writes `-compress true`: one option, not a group of eight short ones.
  'short-option-groups': false,
  'dot-notation': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
} as const;
