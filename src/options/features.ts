// The limits of the options of send, receive and serve, as `ramferry features` shows them.

import { LIMITS, type Range } from './limits.js';
import { OPTIONS } from './table.js';

/** Ranges by the option's name: bytes, bytes per second, milliseconds, CPUs and counts. */
export function optionLimits(): Readonly<Record<string, Range>> {
  const limits: Record<string, Range> = {
    // Scripts have used these two names since 0.1. Each names a pair of options with the same limits.
    threads: LIMITS.threads,
    timeout: LIMITS.timeout,
  };
  for (const { name, commands, kind } of OPTIONS) {
    const isShown = commands.some((command) => ['send', 'receive', 'serve'].includes(command));
    if (isShown && kind.range !== undefined) limits[name] = kind.range;
  }
  return limits;
}
