// Lines on stdout and stderr, and how an error is shown. Loaded at every start: it imports nothing heavy.

import type { RamferryError } from '../errors.js';
import { errorLine } from '../report/json.js';

/** `ramferry: CODE: message (place)` and a hint below it, or one JSON line; always on stderr. */
export function reportError(error: RamferryError, json: boolean): void {
  if (json) {
    toStderr(errorLine(error.toData(), error.exitCode));
    return;
  }
  toStderr(`ramferry: ${error.code}: ${optionAsWritten(error.describe())}`);
  if (error.hint !== undefined) toStderr(`hint: ${error.hint}`);
}

/** The library says `compressThreads: …`, the command line `--compress-threads`. */
function optionAsWritten(message: string): string {
  return message.replace(/^[a-z]+(?:[A-Z][a-z]+)+(?=: )/, (name) => `--${kebab(name)}`);
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function toStdout(text: string): void {
  process.stdout.write(`${text}\n`);
}
