// Reports of a transfer while it runs and at its end: text for people, or JSON lines for programs.
// When stdout carries the stream, the JSON lines go to stderr.

import { isatty } from 'node:tty';
import type { Progress, TransferSummary } from '../../transfer/statistics/summary.js';
import { listeningLine, metricsLine, statusLine, summaryLine, warningLine } from '../../report/json.js';
import { formatProgress } from '../../report/progress.js';
import type { ProgressBar } from '../../report/progress-bar.js';
import { formatOutcome, formatSummary } from '../../report/summary.js';
import { TERMINAL_WIDTH } from '../../report/table.js';
import { visible } from '../../report/visible.js';
import { drawOnStderr, toStderr, toStdout, warnOnStderr } from './output.js';

/** Reports while a transfer runs, and at its end. */
export interface Reporter {
  progress(progress: Progress): void;
  listening(address: string): void;
  /** The URL of --metrics-listen. */
  metrics(url: string): void;
  warning(message: string): void;
  summary(summary: TransferSummary): void;
  /** Prints one line at once in every mode, because the user asked for it with SIGUSR1. */
  showProgress(progress: Progress): void;
  /** Clears the progress line from the terminal. Safe to call twice. */
  end(): void;
}

export interface ReporterOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  /** All figures at the end, not only the usual ones. */
  readonly verbose: boolean;
  /** Whether stdout carries the stream. */
  readonly stdoutTaken: boolean;
}

export async function createReporter({
  json,
  quiet,
  verbose,
  stdoutTaken,
}: ReporterOptions): Promise<Reporter> {
  return json ? jsonReporter(quiet, stdoutTaken ? toStderr : toStdout) : textReporter(quiet, verbose);
}

/** Text goes to stderr only. Errors and warnings appear with --quiet, too. */
async function textReporter(quiet: boolean, verbose: boolean): Promise<Reporter> {
  const bar = await openBar(quiet);
  return {
    progress: (progress) => bar?.update(formatProgress(progress, lineWidth())),
    listening: (address) => {
      if (!quiet) toStderr(`ramferry: listening on ${visible(address)}`);
    },
    metrics: (url) => {
      if (!quiet) toStderr(`ramferry: metrics at ${url}`);
    },
    warning: (message) => {
      bar?.stop();
      warnOnStderr(message);
    },
    summary: (summary) => {
      bar?.stop();
      if (!quiet) toStderr(verbose ? formatSummary(summary) : formatOutcome(summary));
    },
    showProgress: (progress) => {
      if (bar === undefined) toStderr(formatProgress(progress));
    },
    end: () => bar?.stop(),
  };
}

/** Characters that fit on the terminal's line behind which the cursor stands. */
function lineWidth(): number {
  return (process.stderr.columns || TERMINAL_WIDTH) - 1;
}

/** With --quiet, all lines but progress remain. */
function jsonReporter(quiet: boolean, write: (line: string) => void): Reporter {
  return {
    progress: (progress) => {
      if (!quiet) write(statusLine(progress));
    },
    listening: (address) => write(listeningLine(address)),
    metrics: (url) => write(metricsLine(url)),
    warning: (message) => write(warningLine(message)),
    summary: (summary) => write(summaryLine(summary)),
    showProgress: (progress) => write(statusLine(progress)),
    end: () => undefined,
  };
}

/** The progress line; none with --quiet, and none where stderr is no terminal or (TERM=dumb) one that cannot redraw. */
export async function openBar(quiet: boolean): Promise<ProgressBar | undefined> {
  if (quiet || !isatty(2) || process.env['TERM'] === 'dumb') return undefined;
  const { ProgressBar } = await import('../../report/progress-bar.js');
  return new ProgressBar({ write: drawOnStderr, columns: () => process.stderr.columns, isTTY: true });
}
