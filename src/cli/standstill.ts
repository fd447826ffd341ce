// A guard against a command that never ends: when the event loop has nothing left and the command is not settled, Node would end with
// status 13 and without a word. Promises an error and status 1 instead; it changes nothing for a command that settles.

import { RamferryError } from '../errors.js';
import { exitNow } from '../os/exit.js';
import { reportError } from './output.js';

/** Runs `command`; ends the process with ERR_INTERNAL when nothing is left that could settle it. */
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
