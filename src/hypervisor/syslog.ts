// Lines to the system's log, through the `logger` program: it is on every control domain, talks to whatever takes
// /dev/log there, and a log that hangs cannot hang us. Without it, nothing is logged this way.
import { type ChildProcess, spawn } from 'node:child_process';

export type SyslogLevel = 'info' | 'warning' | 'err';

/** A log that takes nothing loses lines instead of our memory. */
const MOST_QUEUED_BYTES = 64 * 1024;
/** What a datagram of syslog holds in any case (RFC 5424, section 6.1). */
const LONGEST_LINE = 2048;

export class Syslog {
  readonly #program: string;
  readonly #tag: string;
  readonly #loggers = new Map<SyslogLevel, ChildProcess>();

  constructor(tag: string, program = 'logger') {
    this.#tag = tag;
    this.#program = program;
  }

  /** Never throws, never waits. */
  write(level: SyslogLevel, text: string): void {
    const input = this.#logger(level).stdin;
    if (input === null || !input.writable || input.writableLength > MOST_QUEUED_BYTES) return;
    input.write(`${text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, LONGEST_LINE)}\n`);
  }

  #logger(level: SyslogLevel): ChildProcess {
    let logger = this.#loggers.get(level);
    if (logger === undefined) {
      // One for each level that occurs: a level for each line is not something every `logger` has.
      logger = spawn(this.#program, ['-t', this.#tag, '-p', `daemon.${level}`], {
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      logger.on('error', () => undefined);
      logger.stdin?.on('error', () => undefined);
      // It ends when its input does, which is when we do.
      logger.unref();
      (logger.stdin as unknown as { unref?(): void } | null)?.unref?.();
      this.#loggers.set(level, logger);
    }
    return logger;
  }
}
