// The command line shared by bench and tune: the progress line, signals and the report.

import { EXIT } from '../errors.js';
import type { ReportData } from '../report/html/data.js';
import { formatStep } from '../report/progress.js';
import type { ParsedArguments } from './command.js';
import { printResult, stdoutWidth } from './output/output.js';
import { checkReportFile, writeReport } from './output/report-file.js';
import { openBar } from './output/reporter.js';
import { handleSignals, reasonOf } from './process/signals.js';

/** Options that every measurement accepts. */
export interface MeasurementHooks {
  readonly signal: AbortSignal;
  readonly onProgress: (step: string, share: number) => void;
}

export interface Measurement<Result extends object> {
  /** `message_type` of the JSON line. */
  readonly messageType: string;
  readonly measure: (hooks: MeasurementHooks) => Promise<Result>;
  /** @param width of the terminal; undefined where there is none */
  readonly format: (result: Result, width?: number) => string;
  /** The part of the result that --json prints. Default: the whole result. */
  readonly fields?: (result: Result) => object;
  /** Builds the HTML page; its modules load only with --html. */
  readonly report: (result: Result) => Promise<ReportData>;
}

/** Runs a measurement with progress, signals and report, prints the result, and resolves with the exit status. */
export async function runMeasurement<Result extends object>(
  parsed: ParsedArguments,
  { messageType, measure, format, fields = (result) => result, report }: Measurement<Result>,
): Promise<number> {
  const html = parsed['html'] as string | undefined;
  checkReportFile(html);
  const bar = await openBar(parsed['quiet'] === true);
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
        : format(result, stdoutWidth()),
    );
    // The page is written after the result is printed, so a failed write loses no figures.
    if (html !== undefined) await writeReport(html, await report(result));
    return EXIT.success;
  } catch (thrown) {
    throw await reasonOf(thrown, signals.signal);
  } finally {
    bar?.stop();
    signals.dispose();
  }
}
