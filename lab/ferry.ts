// `ramferry send` and `receive` as processes, between two QEMUs. Both report in JSON. Tests run the compiled program,
// benches run the shipped one.

import type { CommandEnd } from '../src/os/process/command-process.js';
import { Command, inNamespace } from './command.js';
import { COMPILED_COMMAND } from './places.js';

export type FerryEnd = CommandEnd;

export class Ferry extends Command {
  /** @param args command-line arguments; `--json` is added. @param main the program's file */
  constructor(args: readonly string[], namespace?: string, main = COMPILED_COMMAND) {
    super(inNamespace(namespace, [process.execPath, main, ...args, '--json']), { name: 'ramferry' });
  }
}
