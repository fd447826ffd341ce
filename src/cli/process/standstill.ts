// Detects a command that never settles. When the event loop is empty before the command settles, Node exits with status 13 and
// without a message. The guard reports an error and exits with status 1. It has no effect on a command that settles.

import { RamferryError } from '../../errors.js';
import { exitNow } from '../../os/process/exit.js';
import { reportError } from '../output/output.js';

/** Runs `command`; ends the process with ERR_INTERNAL when the event loop is empty before it settles. */
export async function guardStandstill<T>(command: () => Promise<T>, json: boolean): Promise<T> {
  const onDrained = (): void => {
    const error = new RamferryError('ERR_INTERNAL', 'the command came to a standstill without an outcome', {
      hint: 'look at the destination before the source goes on or is destroyed, and report this fault of ramferry',
    });
    reportError(error, json);
    exitNow(error.exitCode);
  };
  process.once('beforeExit', onDrained);
  try {
    return await command();
  } finally {
    process.off('beforeExit', onDrained);
  }
}
