// Runs a command for the whole process: settings of the process, exceptions in event handlers, the exit status and the end.

import { EXIT } from '../../errors.js';
import { exitFinished, exitNow } from '../../os/process/exit.js';
import { setThreadPoolSize } from '../../os/processor/thread-pool.js';
import { fail } from '../output/failure.js';
import { lastReports } from '../output/output.js';
import { isProfiled } from './profiled.js';
import { guardStandstill } from './standstill.js';
import { setFlagsBetweenLoads } from './v8-flags.js';

const LINGER_MS = 300;

/**
 * Runs `command`, whose promise must not reject, and ends the process with its exit status.
 * @param awaitsAll a command that succeeds has awaited all that it began: the process then ends at once
 */
export function runProcess(args: readonly string[], command: () => Promise<number>, awaitsAll = false): void {
  setFlagsBetweenLoads(args[0] === 'serve');
  setThreadPoolSize(process.env['UV_THREADPOOL_SIZE']);
  // After an exception in an event handler the command cannot continue: it reports the error and exits.
  process.on('uncaughtException', (thrown) => void fail(thrown, args).then(exitNow));
  void guardStandstill(command, args.includes('--json')).then(async (status) => {
    process.exitCode = status;
    // No handle should keep the process alive now. If a thread hangs in a system call, the timer ends the process.
    setTimeout(() => exitNow(status), LINGER_MS).unref();
    const mayEnd = awaitsAll && status === EXIT.success && !isProfiled(process.execArgv, process.env);
    if (mayEnd && (await lastReports())) exitFinished(status);
  });
}
