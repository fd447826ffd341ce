// Options from environment variables, for the command line only: RAMFERRY_COMPRESS_THREADS for compressThreads.
// They do not affect a program that embeds ramferry. This module receives the environment as an argument and checks only the
// conversion from text (numbers, yes and no). The library checks the values.

import type { Reading } from '../../options/kinds.js';
import { environmentName, VARIABLE_PREFIX } from '../../options/names.js';
import { type Option, OPTIONS } from '../../options/table.js';
import { invalidOption, nearest } from '../../units.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of the project's own scripts. */
const OTHER_NAMES = /^RAMFERRY_(TEST|FUZZ|BENCH|STRESS|STREAMS|TRANSFERS)(_|$)/;

/** Warnings about variables that set no option. Without them a misspelt variable would be ignored silently. */
export function unknownVariables(env: Environment): string[] {
  const known = new Set(
    OPTIONS.filter(({ environment }) => environment === true).map(({ name }) => environmentName(name)),
  );
  return Object.keys(env)
    .filter((name) => name.startsWith(VARIABLE_PREFIX) && !known.has(name) && !OTHER_NAMES.test(name))
    .map((name) => {
      const meant = nearest(name, known);
      return `the environment variable ${name} sets no option${meant === undefined ? '' : `: did you mean ${meant}?`}`;
    });
}

/**
 * The value of an option in the environment. An empty variable sets nothing.
 * @throws RamferryError ERR_OPTION_INVALID that names the variable
 */
export function readEnvironment(env: Environment, { name, kind, environment }: Option): unknown {
  if (environment !== true) return undefined;
  const variable = environmentName(name);
  const value = env[variable]?.trim();
  return value === undefined || value === '' ? undefined : readText(value, kind.reading, variable);
}

/**
 * Converts a text to the value of an option.
 * @param source name for the message
 * @throws RamferryError ERR_OPTION_INVALID
 */
export function readText(value: string, reading: Reading, source: string): unknown {
  switch (reading) {
    case 'text':
      return value;
    case 'number':
      if (!WHOLE.test(value)) throw invalidOption(source, value, 'expected a whole number');
      return Number(value);
    case 'boolean':
      if (/^(1|true|yes|on)$/i.test(value)) return true;
      if (/^(0|false|no|off)$/i.test(value)) return false;
      throw invalidOption(source, value, 'expected yes or no');
    case 'list':
      return parts(value);
    case 'numbers':
      // A text that is not a number stays a text, and the library refuses it.
      return parts(value).map((part) => (WHOLE.test(part) ? Number(part) : part));
  }
}

const WHOLE = /^-?\d+$/;

function parts(value: string): string[] {
  return value.split(',').map((part) => part.trim());
}
