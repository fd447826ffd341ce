// The log file of --log-file: one JSON object a line (pino), for diagnosis after the run.
// The file is created with mode 0600 and appended to. It holds options, warnings and results, never page bytes. A log that cannot
// be written (a full disk, a FIFO without a reader) loses lines; it neither ends nor delays the command.

import fs from 'node:fs';
import { RamferryError, toRamferryError } from '../../errors.js';
import { systemCode, systemText } from '../../io/system-error.js';

export interface Log {
  info(fields: object, message: string): void;
  warn(message: string): void;
  error(error: RamferryError): void;
}

const SILENT: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Error codes of a wrong path, which the user can correct. Any other code comes from the state of the host. */
const WRONG_PATH = new Set([
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'EACCES',
  'EPERM',
  'ELOOP',
  'ENAMETOOLONG',
  'ERR_INVALID_ARG_VALUE',
]);

/**
 * @param onLoss called once when lines are lost, with the reason
 * @throws RamferryError ERR_OUTPUT_OPEN for a wrong path
 */
export async function openLog(path: string | undefined, onLoss: (message: string) => void): Promise<Log> {
  if (path === undefined) return SILENT;
  const lost = (thrown: unknown): void => {
    onLoss(`the log file ${path} cannot be written: ${systemText(thrown)}; its lines are lost`);
  };
  let file: LogFile;
  try {
    file = new LogFile(path, lost);
  } catch (thrown) {
    if (WRONG_PATH.has(systemCode(thrown) ?? '')) {
      throw toRamferryError(thrown, 'ERR_OUTPUT_OPEN', 'the log file cannot be opened');
    }
    lost(thrown);
    return SILENT;
  }
  const { pino } = await import('pino');
  const logger = pino({ base: { pid: process.pid } }, file);
  return {
    info: (fields, message) => logger.info(fields, message),
    warn: (message) => logger.warn(message),
    error: (error) => logger.error({ error: error.toData(), stack: error.stack }, error.describe()),
  };
}

/** Appends lines synchronously, because the last line before an exit matters most. */
class LogFile {
  readonly #fd: number;
  readonly #onLoss: (thrown: unknown) => void;
  #lossReported = false;
  /** The last write was partial, so the next entry begins on a new line. */
  #lineIncomplete = false;

  constructor(path: string, onLoss: (thrown: unknown) => void) {
    const { O_CREAT, O_APPEND, O_NONBLOCK, O_RDWR, O_WRONLY } = fs.constants;
    // A FIFO that is opened for both directions needs no reader. Without a reader, lines stay in the kernel's buffer.
    const mode = fs.statSync(path, { throwIfNoEntry: false })?.isFIFO() === true ? O_RDWR : O_WRONLY;
    // With O_NONBLOCK, a full terminal, FIFO or pipe loses the line and does not block the process.
    this.#fd = fs.openSync(path, mode | O_CREAT | O_APPEND | O_NONBLOCK, 0o600);
    this.#onLoss = onLoss;
  }

  write(line: string): void {
    const bytes = Buffer.from(this.#lineIncomplete ? `\n${line}` : line);
    let at = 0;
    try {
      while (at < bytes.length) at += fs.writeSync(this.#fd, bytes, at);
      this.#lineIncomplete = false;
    } catch (thrown) {
      this.#lineIncomplete ||= at > 0;
      if (!this.#lossReported) this.#onLoss(thrown);
      this.#lossReported = true;
    }
  }
}
