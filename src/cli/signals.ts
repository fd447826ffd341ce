// Signals while a transfer runs: the first SIGINT, SIGTERM or SIGHUP aborts it, a second one or a clean-up that takes
// longer than a second ends the process at once; SIGUSR1 asks for progress.
// Promises that nothing stays installed after dispose().

import { RamferryError } from '../errors.js';
import { exitNow } from '../io/exit.js';

const CLEAN_UP_MS = 1000;

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
    if (controller.signal.aborted) exitNow(error.exitCode);
    deadline = setTimeout(() => exitNow(error.exitCode), cleanUp);
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
