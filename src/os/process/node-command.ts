// The command line that starts Node.js again, for children that run a module of ramferry. In the portable package Node.js runs under a
// C library of its own: the process's executable is then that library's loader (ld.so(8)), which needs Node.js's path as an argument.

import { basename, dirname } from 'node:path';

/** The parts of `process` that name its executable. */
export interface Started {
  readonly execPath: string;
  /** The first argument as the process was started with it. */
  readonly argv0: string;
}

/** Program and arguments in front of a module's path. */
export function nodeCommand({ execPath, argv0 }: Started = process): readonly [string, ...string[]] {
  if (!/^ld-.*\.so/.test(basename(execPath))) return [execPath];
  return [execPath, '--library-path', dirname(execPath), argv0];
}
