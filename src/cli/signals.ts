// Signals while a transfer runs: the first SIGINT, SIGTERM or SIGHUP aborts it, a second one or a clean-up that takes
// longer than a second ends the process at once; SIGUSR1 asks for progress.
// Promises that nothing stays installed after dispose().

import { setImmediate } from 'node:timers/promises';

import { RamferryError, toRamferryError } from '../errors.js';
import { exitNow } from '../os/exit.js';
import { reasonOf as signalled } from '../transfer/sender/outcome.js';
import { reportError } from './output.js';

const CLEAN_UP_MS = 1000;

/**
 * Why a command failed. What breaks because of a signal (a child that the same signal ended, a link that we closed) is not the
 * reason: the signal is. An outcome that is not known weighs more than either.
 */
export async function reasonOf(thrown: unknown, signal: AbortSignal): Promise<RamferryError> {
  const error = toRamferryError(thrown);
  // The end of a child may be noticed before the signal that both of us got.
  if (!signal.aborted) await setImmediate();
  return signalled(error, signal);
}

export interface SignalHandling {
  /** Aborted with ERR_INTERRUPTED or ERR_TERMINATED. */
  readonly signal: AbortSignal;
  dispose(): void;
}

/** @param cleanUp milliseconds that the end may take after a signal */
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
  // Takes the place of Node's own handler, which would open a debugger.
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
