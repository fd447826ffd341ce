// What bench and tune have in common on the command line: a line that says what is being measured, signals, and options
// that are left out when they were not given.

import type { ParsedArguments } from './command.js';

export interface StepLine {
  show(step: string, share: number): void;
  end(): void;
}

const WIDTH = 24;

/** Redraws one line on a terminal; elsewhere it says nothing. */
export function stepLine(quiet: boolean): StepLine {
  const { stderr } = process;
  const live = stderr.isTTY && !quiet;
  let shown = false;
  const clear = (): void => {
    if (shown) stderr.write('\r\x1b[K');
    shown = false;
  };
  return {
    show: (step, share) => {
      if (!live) return;
      const filled = Math.max(0, Math.min(WIDTH, Math.round(share * WIDTH)));
      stderr.write(`\r\x1b[K[${'='.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${step}`);
      shown = true;
    },
    end: clear,
  };
}

/** A whole number as an option's text; what is none stays as it is, for the library's door to refuse. */
function numeric(value: unknown): unknown {
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
}

/** The named options that were given; those of `numbers` as numbers. */
export function given(
  parsed: ParsedArguments,
  names: readonly string[],
  numbers: readonly string[],
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const name of names) if (parsed[name] !== undefined) options[name] = parsed[name];
  for (const name of numbers) if (parsed[name] !== undefined) options[name] = numeric(parsed[name]);
  return options;
}

/** A list with commas as `{ name: [...] }`; nothing when it was not given. */
export function list(
  parsed: ParsedArguments,
  name: string,
  read: (text: string) => unknown,
): Record<string, never[]> {
  const value = parsed[name];
  if (typeof value !== 'string') return {};
  return { [name]: value.split(',').map((part) => read(part.trim())) as never[] };
}
