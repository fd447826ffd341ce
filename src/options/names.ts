// The names of one option: `compressThreads` in the library, `--compress-threads` on the command line, `RAMFERRY_COMPRESS_THREADS` in
// the environment.

import { kebabCase } from '../units.js';

/** The prefix of all environment variables that ramferry reads. */
export const VARIABLE_PREFIX = 'RAMFERRY_';

/** `compressThreads` to `compress threads`. */
export function spacedWords(name: string): string {
  return kebabCase(name).replaceAll('-', ' ');
}

/** `compressThreads` to `RAMFERRY_COMPRESS_THREADS`. */
export function environmentName(name: string): string {
  return VARIABLE_PREFIX + kebabCase(name).replaceAll('-', '_').toUpperCase();
}

/** `q` to `-q`, `multifd-channels` to `--multifd-channels`. */
export function aliasFlag(alias: string): string {
  return alias.length === 1 ? `-${alias}` : `--${alias}`;
}
