// Lines on stdout and stderr, and how an error is shown. Loaded at every start: it imports nothing heavy.
// A report (progress, warning, summary, error) can neither end nor delay a command: a stopped or closed terminal loses the
// report. A result that the user asked for (printResult) is written completely, or the command fails.

import { RamferryError } from '../../errors.js';
import { systemCode, writeError } from '../../io/system-error.js';
import { kebabCase } from '../../units.js';
import { errorLine } from '../../report/json.js';
import { visible } from '../../report/visible.js';
import { adviceFor } from './advice.js';
import { TextOutput } from './text-output.js';

/** How long the end of a command waits for queued reports. */
const LAST_REPORTS_MS = 300;

const out = new TextOutput(1);
const err = new TextOutput(2);

/** What happened, where in the stream if it is known, and what to do, a line each; or one JSON line. Always on stderr. */
export function reportError(error: RamferryError, json: boolean): void {
  if (json) {
    toStderr(errorLine(error.toData(), error.exitCode));
    return;
  }
  const message = visible(error.message);
  const text = error.code === 'ERR_OPTION_INVALID' ? optionAsWritten(message) : message;
  toStderr(`ramferry: ${error.code}: ${text}`);
  const where = error.whereText();
  if (where !== '') toStderr(`where: ${where}`);
  const hint = error.hint ?? adviceFor(error.code);
  if (hint !== undefined) toStderr(`hint: ${visible(hint)}`);
}

/** Replaces the library's `compressThreads: …` by the command line's `--compress-threads`. */
function optionAsWritten(message: string): string {
  return message.replace(/^[a-z]+(?:[A-Z][a-z]+)*(?=: )/, (name) =>
    POSITIONAL.has(name) ? name : `--${kebabCase(name)}`,
  );
}

/** Names that the command line takes by position, without dashes. */
const POSITIONAL: ReadonlySet<string> = new Set(['input', 'output', 'stream', 'options']);

/** Prints a warning. Its text may come from a peer or a program, so control characters are escaped. */
export function warnOnStderr(message: string): void {
  toStderr(`ramferry: warning: ${visible(message)}`);
}

/** Prints a report; never throws, never waits. */
export function toStderr(line: string): void {
  err.offer(`${line}\n`);
}

/** Writes control codes of the progress line; never throws, never waits. */
export function drawOnStderr(codes: string): void {
  err.offer(codes);
}

/** Columns of the terminal behind stdout; undefined where it is none, or one that does not say (0, as on serial lines). */
export function stdoutWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns || undefined : undefined;
}

/** Prints a report; never throws, never waits. */
export function toStdout(line: string): void {
  out.offer(`${line}\n`);
}

/**
 * Prints the result of a command.
 * @throws RamferryError ERR_OUTPUT_WRITE or ERR_OUTPUT_FULL
 */
export async function printResult(text: string): Promise<void> {
  await lastReports();
  await out.write(`${text}\n`).catch((cause: unknown) => {
    if (systemCode(cause) !== 'EPIPE') throw writeError('standard output', cause);
    throw new RamferryError('ERR_OUTPUT_WRITE', 'standard output was closed by its reader', { cause });
  });
}

/** Resolves when all reports are written, or after 0.3 s. @returns whether they are */
export async function lastReports(): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), LAST_REPORTS_MS);
  });
  const written = Promise.all([out.empty(), err.empty()]).then(() => true);
  const inTime = await Promise.race([written, late]);
  clearTimeout(timer);
  return inTime;
}
