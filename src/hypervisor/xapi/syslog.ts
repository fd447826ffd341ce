// Lines to the system's log, through the `logger` program: it is on every control domain, talks to whatever takes
// /dev/log there, and a log that hangs cannot hang us. Without it, nothing is logged this way.

import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

import { KIB } from '../../units.js';

export type SyslogLevel = 'info' | 'warning' | 'err';

/** A log that takes nothing loses lines instead of our memory. */
const MAX_QUEUED_BYTES = 64 * KIB;
/** What a datagram of syslog holds in any case (RFC 5424, section 6.1). */
const MAX_LINE_BYTES = 2 * KIB;

/** A `logger` that has ended is started anew, but not for every line. */
const RESTART_MS = 1000;

interface Logger {
  readonly input: Writable | undefined;
  /** Not started anew before this time, on performance.now()'s clock. */
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
      // One for each level that occurs: a level for each line is not something every `logger` has.
      logger = { input: this.#start(level), retryAt: performance.now() + RESTART_MS };
      this.#loggers.set(level, logger);
    }
    return logger.input;
  }

  /** @returns nothing where the host has no process or descriptor left for a logger */
  #start(level: SyslogLevel): Writable | undefined {
    try {
      const logger = spawn(this.#program, ['-t', this.#tag, '-p', `daemon.${level}`], {
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      logger.on('error', () => undefined);
      // It ends when its input does, which is when we do.
      logger.unref();
      // Absent when descriptors have run out, whatever the types say.
      const input = logger.stdin as (Writable & { unref?(): void }) | undefined;
      input?.on('error', () => undefined);
      input?.unref?.();
      return input;
    } catch {
      return undefined;
    }
  }
}
