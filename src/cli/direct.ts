// A command with a program of its own: it reads plain arguments without yargs, and declines all others.

import type { CommandName } from '../options/commands.js';
import type { Command } from './command.js';
import { fail } from './output/failure.js';
import { plainArguments } from './settings/plain-arguments.js';
import { runProcess } from './process/run.js';

/** Runs the command line. Returns false, and has done nothing, when the full program must read the arguments. */
export type DirectProgram = (args: readonly string[]) => boolean;

/** @param name of the command, which is the first argument */
export function directProgram(name: CommandName, command: Command): DirectProgram {
  return (args) => {
    const parsed = plainArguments(args.slice(1), name);
    if (parsed === undefined) return false;
    runProcess(args, () => command.run(parsed).catch((thrown: unknown) => fail(thrown, args)), true);
    return true;
  };
}
