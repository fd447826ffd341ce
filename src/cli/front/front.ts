// Runs one front of emu-manager to its end: logs, exceptions, exit. Loaded before the real emu-manager starts, so it imports
// nothing heavy. xenopsd discards the command's stderr, so the front logs to the system log and to --log-file.

import { toRamferryError } from '../../errors.js';
import type { Engine } from '../../hypervisor/xapi/emu-engine.js';
import { emuManager } from '../../hypervisor/xapi/emu-manager.js';
import type { EmuRequest } from '../../hypervisor/xapi/emu-arguments.js';
import type { FrontLog } from '../../hypervisor/xapi/emu-conversation.js';
import { Syslog } from '../../hypervisor/xapi/syslog.js';
import type { EmuOptions } from '../../options/rows/emu-manager.js';
import { exitNow } from '../../os/process/exit.js';
import { keepCodeNow, keepNoCode } from '../cache/keep-code.js';
import { LateLog } from '../output/late-log.js';
import { openLog } from '../output/log.js';
import { FrontMetrics } from '../metrics/front-metrics.js';
import type { MetricsPlaces } from '../metrics/metrics.js';
import { setFlagsAgain } from '../process/v8-flags.js';
import { environmentParent } from '../tracing/environment-parent.js';
import { lastReports, reportError, warnOnStderr } from '../output/output.js';

/**
 * Milliseconds from the engine's load until the compiled code is kept for the next front. The guest still runs then, and most functions
 * have been called. The end of the process would be too late: the guest stands still until then.
 */
const KEEP_CODE_AFTER = 300;

export interface FrontCommand {
  /** Path of the real emu-manager. */
  readonly exec: string;
  /** Its arguments. */
  readonly args: readonly string[];
  readonly logFile: string | undefined;
  readonly syslog: boolean;
  readonly metrics: MetricsPlaces | undefined;
  readonly options: EmuOptions;
  /** No option needs a check: the real emu-manager starts before the engine loads. */
  readonly early: boolean;
}

/** Runs the front, and ends the process with its status. Rejects where the control channel cannot be opened. */
export async function runFront(command: FrontCommand): Promise<never> {
  const { exec, args, options, early } = command;
  const log = new LateLog(() => openLogs(command));
  const controller = new AbortController();
  // The first exception aborts the migration. No exception may end this process before the real emu-manager: xenopsd waits for that.
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (thrown) => controller.abort(toRamferryError(thrown)));
  let metrics: FrontMetrics | undefined;
  const loadEngine = async (): Promise<Engine> => {
    const { engine } = await import('./front-engine.js');
    const loaded = engine(options, (text) => log.warn(text));
    // The log's first line comes with the engine. The log's library takes some 20 ms to load, and xenguest does not wait for it.
    setImmediate(() => void log.open().then(() => metrics?.open()));
    setTimeout(() => {
      keepCodeNow();
      setFlagsAgain();
    }, KEEP_CODE_AFTER);
    return loaded;
  };
  const status = await emuManager({
    exec,
    args,
    log,
    loadEngine,
    early: early ? { compressVgpu: options.compressVgpu === true } : undefined,
    traceParent: environmentParent(process.env),
    signal: controller.signal,
    observe: (request) => (metrics = metricsOf(command, request, log)),
  });
  keepNoCode();
  await log.open();
  await lastReports();
  // A read or write of the stream may block in the kernel, and xenopsd waits for this process to exit.
  exitNow(status);
}

function metricsOf({ metrics }: FrontCommand, request: EmuRequest, log: FrontLog): FrontMetrics | undefined {
  if (metrics === undefined) return undefined;
  return new FrontMetrics(metrics, request, {
    onWarning: (text) => log.warn(text),
    onMetrics: (url) => log.info({ url }, 'metrics'),
  });
}

async function openLogs({ logFile, syslog: wanted }: FrontCommand): Promise<FrontLog> {
  // A wrong log path must not fail a migration.
  const file = await openLog(logFile, warnOnStderr).catch((thrown: unknown) => {
    warnOnStderr(toRamferryError(thrown).message);
    return openLog(undefined, warnOnStderr);
  });
  const syslog = wanted ? new Syslog(`ramferry[${process.pid}]`) : undefined;
  return {
    info: (fields, message) => {
      file.info(fields, message);
      syslog?.write('info', `${message} ${JSON.stringify(fields)}`);
    },
    warn: (message) => {
      file.warn(message);
      syslog?.write('warning', message);
    },
    error: (error) => {
      file.error(error);
      if (syslog === undefined) return;
      syslog.write('err', `${error.code}: ${error.describe()}`);
      reportError(error, false);
    },
  };
}
