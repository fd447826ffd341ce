// The log file of --log-file: one JSON object a line (pino), for the operator who was not there.
// Made with mode 0600 and appended to. Holds options, warnings and results, never page bytes.

import { openSync } from 'node:fs';
import { RamferryError, toRamferryError } from '../errors.js';

export interface Log {
  info(fields: object, message: string): void;
  warn(message: string): void;
  error(error: RamferryError): void;
}

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** @throws RamferryError ERR_OUTPUT_OPEN */
export async function openLog(path: string | undefined): Promise<Log> {
  if (path === undefined) return SILENT;
  let fd: number;
  try {
    fd = openSync(path, 'a', 0o600);
  } catch (thrown) {
    throw toRamferryError(thrown, 'ERR_OUTPUT_OPEN', 'the log file cannot be opened');
  }
  const { pino } = await import('pino');
  // Synchronous: the last line before an exit matters most.
  const logger = pino({ base: { pid: process.pid } }, pino.destination({ fd, sync: true }));
  return {
    info: (fields, message) => logger.info(fields, message),
    warn: (message) => logger.warn(message),
    error: (error) => logger.error({ error: error.toData(), stack: error.stack }, error.describe()),
  };
}
