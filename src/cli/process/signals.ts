// Handles signals while a transfer runs. The first SIGINT, SIGTERM or SIGHUP aborts the transfer. A second signal, or a clean-up
// of more than a second, ends the process at once. SIGUSR1 asks for progress. dispose() removes all handlers.

import { setImmediate } from 'node:timers/promises';

import { RamferryError, toRamferryError } from '../../errors.js';
import { exitNow } from '../../os/process/exit.js';
import { reasonOf as signalled } from '../../transfer/sender/outcome.js';
import { reportError } from '../output/output.js';

const CLEAN_UP_MS = 1000;

/**
 * The reason why a command failed. After a signal, later errors (a child that the same signal ended, a link that was closed) are
 * consequences, and the signal is the reason. ERR_OUTCOME_UNKNOWN has precedence over both.
 */
export async function reasonOf(thrown: unknown, signal: AbortSignal): Promise<RamferryError> {
  const error = toRamferryError(thrown);
  // The event loop may see a child's end before the signal that reached both processes.
  if (!signal.aborted) await setImmediate();
  return signalled(error, signal);
}

export interface SignalHandling {
  /** Aborted with ERR_INTERRUPTED or ERR_TERMINATED. */
  readonly signal: AbortSignal;
  dispose(): void;
}

/** @param cleanUp milliseconds that the clean-up may take after a signal */
export function handleSignals(onProgressWanted: () => void, cleanUp = CLEAN_UP_MS): SignalHandling {
  const controller = new AbortController();
  let deadline: NodeJS.Timeout | undefined;

  const abort = (error: RamferryError): void => {
    const atOnce = (): never => {
      reportError(error, process.argv.includes('--json'));
      exitNow(error.exitCode);
    };
    if (controller.signal.aborted) atOnce();
    deadline = setTimeout(atOnce, cleanUp);
    controller.abort(error);
  };
  const interrupted = (): void => abort(new RamferryError('ERR_INTERRUPTED', 'interrupted'));
  const terminated = (): void => abort(new RamferryError('ERR_TERMINATED', 'terminated by a signal'));

  process.on('SIGINT', interrupted);
  process.on('SIGTERM', terminated);
  process.on('SIGHUP', terminated);
  // Replaces Node's own handler, which would start the debugger.
  process.on('SIGUSR1', onProgressWanted);
  return {
    signal: controller.signal,
    dispose: () => {
      clearTimeout(deadline);
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', terminated);
      process.off('SIGHUP', terminated);
      process.off('SIGUSR1', onProgressWanted);
    },
  };
}
