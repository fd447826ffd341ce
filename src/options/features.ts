// The limits of send's and receive's options, as `ramferry features` shows them.

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
    const isTransfer = commands.includes('send') || commands.includes('receive');
    if (isTransfer && kind.range !== undefined) limits[name] = kind.range;
  }
  return limits;
}
