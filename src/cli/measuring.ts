// What bench and tune have in common on the command line: a line that says what is being measured, signals, the report,
// and options that are left out when they were not given.

import { isatty } from 'node:tty';
import type { Options } from 'yargs';

import { EXIT } from '../errors.js';
import type { ReportData } from '../report/html/data.js';
import { formatStep } from '../report/progress.js';
import { orDash, type ParsedArguments } from './command.js';
import { printResult } from './output.js';
import { checkReportFile, writeReport } from './report-file.js';
import { openBar } from './reporter.js';
import { handleSignals, reasonOf } from './signals.js';

/** The options that every measurement has, behind its own. */
export const MEASURING = {
  seed: { describe: 'same seed, same sample (1)', requiresArg: true },
  'zstd-binding': { describe: 'use this zstd binding; see ramferry features', requiresArg: true },
  html: { describe: 'write a report with charts to this file', requiresArg: true, type: 'string' },
  json: { describe: 'as one line of JSON', type: 'boolean' },
  quiet: { alias: 'q', describe: 'no progress', type: 'boolean' },
} as const satisfies Readonly<Record<string, Options>>;

/** What every measurement can be told, besides its own options. */
export interface MeasurementHooks {
  readonly signal: AbortSignal;
  readonly onProgress: (step: string, share: number) => void;
}

export interface Measurement<Result extends object> {
  /** Of the line of JSON. */
  readonly messageType: string;
  readonly measure: (hooks: MeasurementHooks) => Promise<Result>;
  readonly format: (result: Result) => string;
  /** What scripts get; all of the result by default. */
  readonly fields?: (result: Result) => object;
  /** Loaded only when a page is asked for. */
  readonly report: (result: Result) => Promise<ReportData>;
}

/** Measures with everything around it, prints what came out, and resolves with the exit status. */
export async function runMeasurement<Result extends object>(
  parsed: ParsedArguments,
  { messageType, measure, format, fields = (result) => result, report }: Measurement<Result>,
): Promise<number> {
  const html = parsed['html'] as string | undefined;
  checkReportFile(html);
  const bar = isatty(2) && parsed['quiet'] !== true ? await openBar() : undefined;
  const signals = handleSignals(() => undefined);
  try {
    const result = await measure({
      signal: signals.signal,
      onProgress: (step, share) => bar?.update(formatStep(step, share)),
    });
    bar?.stop();
    await printResult(
      parsed['json'] === true
        ? JSON.stringify({ message_type: messageType, ...fields(result) })
        : format(result),
    );
    // A page that cannot be written does not take what was measured with it.
    if (html !== undefined) await writeReport(html, await report(result));
    return EXIT.success;
  } catch (thrown) {
    throw await reasonOf(thrown, signals.signal);
  } finally {
    bar?.stop();
    signals.dispose();
  }
}

/** A whole number as an option's text; what is none stays as it is, for the library's door to refuse. */
export function numeric(value: unknown): unknown {
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
}

/** The named options that were given; those of `numbers` as numbers. */
export function given(
  parsed: ParsedArguments,
  names: readonly string[],
  numbers: readonly string[],
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const name of names) if (parsed[name] !== undefined) options[name] = parsed[name];
  if (options['input'] !== undefined) options['input'] = orDash(options['input']);
  for (const name of numbers) if (parsed[name] !== undefined) options[name] = numeric(parsed[name]);
  return options;
}

/** A list with commas as `{ name: [...] }`; nothing when it was not given. */
export function list(
  parsed: ParsedArguments,
  name: string,
  read: (text: string) => unknown,
): Record<string, never[]> {
  const value = parsed[name];
  if (typeof value !== 'string') return {};
  return { [name]: value.split(',').map((part) => read(part.trim())) as never[] };
}
