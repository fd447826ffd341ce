// `ramferry send` and `receive` as processes, between two QEMUs. Both report in JSON. Tests run the program as it was compiled;
// benches run the command's own file.

import type { CommandEnd } from '../src/os/command-process.js';
import { Command, inNamespace } from './command.js';
import { COMPILED_COMMAND } from './places.js';

export type FerryEnd = CommandEnd;

export class Ferry extends Command {
  /** @param args of the command line; `--json` is added. @param main the program's file */
  constructor(args: readonly string[], namespace?: string, main = COMPILED_COMMAND) {
    super(inNamespace(namespace, [process.execPath, main, ...args, '--json']), { name: 'ramferry' });
  }
}
