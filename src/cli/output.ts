// Lines on stdout and stderr, and how an error is shown. Loaded at every start: it imports nothing heavy.
// A report (progress, warning, summary, error) can neither end nor delay a command: a terminal that is stopped or gone loses
// it. A result that the user asked for (printResult) arrives completely, or the command fails.

import { RamferryError } from '../errors.js';
import { systemCode, writeError } from '../io/system-error.js';
import { kebabCase } from '../options/names.js';
import { errorLine } from '../report/json.js';
import { visible } from '../report/visible.js';
import { Outlet } from './outlet.js';

/** How long the end of a command waits for reports that the terminal has not taken. */
const LAST_REPORTS_MS = 300;

const out = new Outlet(1);
const err = new Outlet(2);

/** `ramferry: CODE: message (place)` and a hint below it, or one JSON line; always on stderr. */
export function reportError(error: RamferryError, json: boolean): void {
  if (json) {
    toStderr(errorLine(error.toData(), error.exitCode));
    return;
  }
  const described = visible(error.describe());
  const text = error.code === 'ERR_OPTION_INVALID' ? optionAsWritten(described) : described;
  toStderr(`ramferry: ${error.code}: ${text}`);
  if (error.hint !== undefined) toStderr(`hint: ${visible(error.hint)}`);
}

/** The library says `compressThreads: …`, the command line `--compress-threads`. */
function optionAsWritten(message: string): string {
  return message.replace(/^[a-z]+(?:[A-Z][a-z]+)*(?=: )/, (name) =>
    POSITIONAL.has(name) ? name : `--${kebabCase(name)}`,
  );
}

/** What has no dashes. */
const POSITIONAL: ReadonlySet<string> = new Set(['input', 'output', 'stream', 'options']);

/** A warning, as text: it may hold words of others. */
export function warnOnStderr(message: string): void {
  toStderr(`ramferry: warning: ${visible(message)}`);
}

/** A report; never throws, never waits. */
export function toStderr(line: string): void {
  err.offer(`${line}\n`);
}

/** Control codes of the progress line; never throws, never waits. */
export function drawOnStderr(codes: string): void {
  err.offer(codes);
}

/** A report; never throws, never waits. */
export function toStdout(line: string): void {
  out.offer(`${line}\n`);
}

/**
 * What the command was run for.
 * @throws RamferryError ERR_OUTPUT_WRITE or ERR_OUTPUT_FULL
 */
export async function printResult(text: string): Promise<void> {
  await lastReports();
  await out.write(`${text}\n`).catch((cause: unknown) => {
    if (systemCode(cause) !== 'EPIPE') throw writeError('standard output', cause);
    throw new RamferryError('ERR_OUTPUT_WRITE', 'standard output was closed by its reader', { cause });
  });
}

/** Resolves when the terminal has taken all reports, after 0.3 s in any case. */
export async function lastReports(): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LAST_REPORTS_MS);
  });
  await Promise.race([Promise.all([out.empty(), err.empty()]), late]);
  clearTimeout(timer);
}
