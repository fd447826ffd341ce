// Writes to the system's log through the `logger` program. Every control domain has it, it speaks to any syslog daemon, and a log
// that hangs does not block this process. Without the program these lines are lost.

import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

import { KIB } from '../../units.js';

export type SyslogLevel = 'info' | 'warning' | 'err';

/** Where the log does not read, lines beyond this are lost, so that they take no memory. */
const MAX_QUEUED_BYTES = 64 * KIB;
/** The size that every syslog receiver should accept (RFC 5424, section 6.1). */
const MAX_LINE_BYTES = 2 * KIB;

/** A `logger` that has ended is restarted at most once in this time. */
const RESTART_MS = 1000;

interface Logger {
  readonly input: Writable | undefined;
  /** Not restarted before this time, on performance.now()'s clock. */
  readonly retryAt: number;
}

export class Syslog {
  readonly #program: string;
  readonly #tag: string;
  readonly #loggers = new Map<SyslogLevel, Logger>();

  constructor(tag: string, program = 'logger') {
    this.#tag = tag;
    this.#program = program;
  }

  /** Never throws, never waits. */
  write(level: SyslogLevel, text: string): void {
    const input = this.#input(level);
    if (input?.writable !== true || input.writableLength > MAX_QUEUED_BYTES) return;
    input.write(`${text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, MAX_LINE_BYTES)}\n`);
  }

  #input(level: SyslogLevel): Writable | undefined {
    let logger = this.#loggers.get(level);
    if (logger === undefined || (logger.input?.writable !== true && performance.now() > logger.retryAt)) {
      // One `logger` for each level: not every `logger` accepts a level for each line.
      logger = { input: this.#start(level), retryAt: performance.now() + RESTART_MS };
      this.#loggers.set(level, logger);
    }
    return logger.input;
  }

  /** @returns undefined where the host has no process or descriptor left */
  #start(level: SyslogLevel): Writable | undefined {
    try {
      const logger = spawn(this.#program, ['-t', this.#tag, '-p', `daemon.${level}`], {
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      logger.on('error', () => undefined);
      // The logger ends when its input ends, with this process.
      logger.unref();
      // Absent when descriptors have run out, in spite of the type.
      const input = logger.stdin as (Writable & { unref?(): void }) | undefined;
      input?.on('error', () => undefined);
      input?.unref?.();
      return input;
    } catch {
      return undefined;
    }
  }
}
