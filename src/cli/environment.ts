// Options from environment variables, for the command line only: RAMFERRY_COMPRESS_THREADS for compressThreads.
// A program that embeds ramferry is not touched by them. Reads the environment it is given, checks only what a text
// cannot say (numbers, yes and no); the rest is checked at the door with all other options.

import { invalidOption, nearest } from '../units.js';
import type { ReceiveOptions, SendOptions } from '../options/transfer.js';

const PREFIX = 'RAMFERRY_';

/** What a text given as an option means. */
export type OptionKind = 'text' | 'number' | 'boolean';
/** What may be set this way: neither addresses, nor what overwrites files. */
const COMMON = {
  memoryLimit: 'text',
  zstdBinding: 'text',
  directIo: 'boolean',
  sync: 'boolean',
  oneWay: 'boolean',
  connectTimeout: 'text',
  ioTimeout: 'text',
} as const;

export const SEND_ENVIRONMENT = {
  ...COMMON,
  compressThreads: 'number',
  compressLevel: 'number',
  codec: 'text',
  adaptive: 'boolean',
  maxLevel: 'number',
  maxCpu: 'text',
  nice: 'number',
  chunkSize: 'text',
  window: 'text',
  maxBandwidth: 'text',
  downtimeLimit: 'text',
  xbzrleCacheSize: 'text',
  compressWaitThread: 'boolean',
  selfCheck: 'boolean',
  method: 'text',
  xenguestVersion: 'number',
  format: 'text',
  flushAfter: 'text',
} as const satisfies Partial<Record<keyof SendOptions, OptionKind>>;

export const RECEIVE_ENVIRONMENT = {
  ...COMMON,
  decompressThreads: 'number',
  maxSize: 'text',
  passThrough: 'boolean',
} as const satisfies Partial<Record<keyof ReceiveOptions, OptionKind>>;

/** `compressThreads` → `RAMFERRY_COMPRESS_THREADS`. */
export function environmentName(option: string): string {
  return PREFIX + option.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** Read by other commands and by the project's own scripts. */
const OTHER_NAMES = /^RAMFERRY_(CONFIG|TEST|FUZZ|BENCH|STRESS|STREAMS|TRANSFERS)(_|$)/;

/** What to say of variables that no option reads: a misspelt one would otherwise be ignored without a word. */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set(Object.keys({ ...SEND_ENVIRONMENT, ...RECEIVE_ENVIRONMENT }).map(environmentName));
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.has(name) && !OTHER_NAMES.test(name))
    .map((name) => {
      const meant = nearest(name, known);
      return `the environment variable ${name} sets no option${meant === undefined ? '' : `: did you mean ${meant}?`}`;
    });
}

/**
 * The options that the environment sets; an empty variable sets nothing.
 * @throws RamferryError ERR_OPTION_INVALID that names the variable
 */
export function optionsFromEnvironment<Table extends Record<string, OptionKind>>(
  env: Readonly<Record<string, string | undefined>>,
  table: Table,
): { [Name in keyof Table]?: string | number | boolean } {
  const options: { [Name in keyof Table]?: string | number | boolean } = {};
  for (const [name, kind] of Object.entries(table) as [keyof Table & string, OptionKind][]) {
    const variable = environmentName(name);
    const value = env[variable]?.trim();
    if (value !== undefined && value !== '') options[name] = readText(value, kind, variable);
  }
  return options;
}

/** The zstd binding that `RAMFERRY_ZSTD_BINDING` names, for commands that take no other option from the environment. */
export function bindingFromEnvironment(env: Readonly<Record<string, string | undefined>>): {
  readonly zstdBinding?: string;
} {
  return optionsFromEnvironment(env, { zstdBinding: 'text' }) as { readonly zstdBinding?: string };
}

/**
 * The value that a text stands for.
 * @param source name for the message
 * @throws RamferryError ERR_OPTION_INVALID
 */
export function readText(value: string, kind: OptionKind, source: string): string | number | boolean {
  if (kind === 'text') return value;
  if (kind === 'number') {
    if (!/^-?\d+$/.test(value)) throw invalidOption(source, value, 'expected a whole number');
    return Number(value);
  }
  if (/^(1|true|yes|on)$/i.test(value)) return true;
  if (/^(0|false|no|off)$/i.test(value)) return false;
  throw invalidOption(source, value, 'expected yes or no');
}
