// The command line shared by send and receive: reports, log, signals and the exit status.
// The library runs the transfer itself.

import { isatty } from 'node:tty';
import { EXIT, RamferryError } from '../errors.js';
import { commandWord } from '../link/address.js';
import type { CommandName } from '../options/commands.js';
import { unknownVariables } from './settings/environment.js';
import { kebabKeys } from '../transfer/statistics/kebab-keys.js';
import type { Progress, TransferSummary } from '../transfer/statistics/summary.js';
import { type Log, openLog } from './output/log.js';
import type { ParsedArguments } from './command.js';
import { Metrics, metricsPlaces } from './metrics/metrics.js';
import { MigrationMeter } from './metrics/figures.js';
import type { Side } from './metrics/sample.js';
import { formatProgress } from '../report/progress.js';
import { createReporter, type Reporter } from './output/reporter.js';
import { Service } from './process/service.js';
import { handleSignals, reasonOf } from './process/signals.js';
import { TransferTrace } from './tracing/transfer-trace.js';

/** Signal and callbacks that the command line adds to the options of a transfer. */
export interface TransferHooks {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  readonly onListening: (address: string) => void;
  readonly onWarning: (message: string) => void;
}

const STDOUT = new Set<unknown>(['-', 'fd:1', '/dev/stdout', 'file:/dev/stdout']);

export interface TransferTraits {
  /** The command, for the trace. */
  readonly command: CommandName;
  /** The side of the migration, for metrics and trace. */
  readonly side: Side;
  /** Milliseconds that the clean-up may take after a signal; a second by default. */
  readonly cleanUp?: number;
}

/** The options with each exec: command reduced to its program (`exec:ssh`), because its arguments may contain passwords. */
function loggable(options: object): object {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]: [string, unknown]) => [
      name,
      typeof value === 'string' && value.startsWith(EXEC)
        ? EXEC + commandWord(value.slice(EXEC.length))
        : value,
    ]),
  );
}

const EXEC = 'exec:';

/** Ignores an error of a report: the transfer has ended, and the error must not change its exit status. */
function ignoreFailure(report: () => void): void {
  try {
    report();
  } catch {
    // The exit status reports the outcome.
  }
}

function refuseTerminal(parsed: ParsedArguments, output: unknown): void {
  if (!STDOUT.has(output) || !isatty(1) || parsed['force'] === true) return;
  throw new RamferryError('ERR_USAGE', 'standard output is a terminal: guest memory is not written there', {
    hint: 'redirect it (> FILE, | PROGRAM), or use --force',
  });
}

function warningTo(log: Log, reporter: Reporter): (message: string) => void {
  return (message) => {
    log.warn(message);
    reporter.warning(message);
  };
}

/** The latest progress, for SIGUSR1. */
interface Seen {
  latest?: Progress;
}

interface Reports {
  readonly reporter: Reporter;
  readonly log: Log;
  readonly service: Service;
  readonly meter: MigrationMeter;
  readonly trace: TransferTrace | undefined;
  readonly seen: Seen;
}

/** The callbacks of a running transfer. */
function reportsTo(reports: Reports): Pick<TransferHooks, 'onProgress' | 'onListening'> {
  const { reporter, log, service, meter, trace, seen } = reports;
  return {
    onProgress: (progress) => {
      seen.latest = progress;
      meter.progress(progress);
      trace?.progress(progress);
      service.progress(() => formatProgress(progress));
      reporter.progress(progress);
    },
    onListening: (address) => {
      log.info({ address }, 'listening');
      service.ready();
      reporter.listening(address);
    },
  };
}

/** Runs a transfer with reports, log and signals. Resolves with the exit status, rejects with the transfer's error. */
export async function runTransfer(
  parsed: ParsedArguments,
  options: { readonly output: unknown; readonly name?: string | undefined },
  transfer: (hooks: TransferHooks) => Promise<TransferSummary>,
  { command, side, cleanUp }: TransferTraits,
): Promise<number> {
  refuseTerminal(parsed, options.output);
  const reporter = await createReporter({
    json: parsed['json'] === true,
    quiet: parsed['quiet'] === true,
    verbose: parsed['verbose'] === true,
    stdoutTaken: STDOUT.has(options.output),
  });
  const log = await openLog(parsed['logFile'] as string | undefined, (message) => reporter.warning(message));
  const service = new Service();
  const seen: Seen = {};
  const signals = handleSignals(() => {
    if (seen.latest !== undefined) reporter.showProgress(seen.latest);
  }, cleanUp);
  log.info({ options: loggable(options) }, 'transfer starts');
  const onWarning = warningTo(log, reporter);
  unknownVariables(process.env).forEach(onWarning);
  const migration = migrationName(parsed, options.name);
  const meter = new MigrationMeter(migration, side);
  const trace = await TransferTrace.open({ command, side, migration });
  let metrics: Metrics | undefined;
  try {
    const hooks = { onWarning, onMetrics: (url: string) => reporter.metrics(url) };
    metrics = await Metrics.open(metricsPlaces(parsed), () => [meter.sample()], hooks, meter.labels);
    const summary = await transfer({
      ...reportsTo({ reporter, log, service, meter, trace, seen }),
      signal: signals.signal,
      onWarning,
    });
    meter.end(summary);
    trace?.succeed(summary);
    ignoreFailure(() => log.info({ summary: kebabKeys(summary) }, 'transfer ended'));
    ignoreFailure(() => reporter.summary(summary));
    return EXIT.success;
  } catch (thrown) {
    const error = await reasonOf(thrown, signals.signal);
    meter.end(error);
    trace?.fail(error);
    ignoreFailure(() => log.error(error));
    throw error;
  } finally {
    service.close();
    await metrics?.close();
    ignoreFailure(() => reporter.end());
    await trace?.close();
    signals.dispose();
  }
}

/** The label `migration` of the metrics. */
export function migrationName(parsed: ParsedArguments, name: string | undefined): string {
  return (parsed['metricsName'] as string | undefined) ?? name ?? UNNAMED;
}

const UNNAMED = 'unnamed';
