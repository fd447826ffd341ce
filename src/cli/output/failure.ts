// Reports the error that ended a command. Imports nothing heavy: every way of starting uses it.

import { toRamferryError } from '../../errors.js';
import { lastReports, reportError } from './output.js';

/** Reports the error, and resolves with the command's exit status once the report is written. */
export async function fail(thrown: unknown, args: readonly string[]): Promise<number> {
  const error = toRamferryError(thrown);
  reportError(error, args.includes('--json'));
  await lastReports();
  return error.exitCode;
}
