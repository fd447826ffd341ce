// A log that opens after its first lines: it keeps them, and writes them in order when it opens. The front's log takes longer to
// load than the real emu-manager may wait.

import type { FrontLog } from '../../hypervisor/xapi/emu-conversation.js';
import type { RamferryError } from '../../errors.js';

export class LateLog implements FrontLog {
  readonly #open: () => Promise<FrontLog>;
  readonly #waiting: ((log: FrontLog) => void)[] = [];
  #opening: Promise<void> | undefined;
  #log: FrontLog | undefined;

  /** @param open called once; must not reject */
  constructor(open: () => Promise<FrontLog>) {
    this.#open = open;
  }

  /** Opens the log and writes the lines that wait. Safe to call twice. */
  open(): Promise<void> {
    this.#opening ??= this.#open().then((log) => {
      this.#log = log;
      for (const write of this.#waiting.splice(0)) write(log);
    });
    return this.#opening;
  }

  first(fields: object, message: string): void {
    const write = (log: FrontLog): void => log.info(fields, message);
    if (this.#log === undefined) this.#waiting.unshift(write);
    else write(this.#log);
  }

  info(fields: object, message: string): void {
    this.#write((log) => log.info(fields, message));
  }

  warn(message: string): void {
    this.#write((log) => log.warn(message));
  }

  error(error: RamferryError): void {
    this.#write((log) => log.error(error));
  }

  #write(write: (log: FrontLog) => void): void {
    if (this.#log === undefined) this.#waiting.push(write);
    else write(this.#log);
  }
}
