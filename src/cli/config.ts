// `--config FILE`: the method from a file in xenopsd.conf's syntax, when neither the command line nor the environment
// sets it.

import fs from 'node:fs';

import { RamferryError } from '../errors.js';
import { parseXenopsdConf } from '../hypervisor/xapi/xenopsd-conf.js';
import type { SendOptions } from '../options/transfer.js';
import type { ParsedArguments } from './command.js';

const VARIABLE = 'RAMFERRY_CONFIG';

/** @returns the options with the file's method, and what the file should be told about */
export function withConfig(
  options: SendOptions,
  parsed: ParsedArguments,
): { options: SendOptions; warnings: readonly string[] } {
  const path = (parsed['config'] as string | undefined) ?? process.env[VARIABLE];
  if (path === undefined || path === '') return { options, warnings: [] };
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (cause) {
    throw new RamferryError('ERR_OPTION_INVALID', `config: ${path} cannot be read`, {
      cause,
      hint: 'name a file in the syntax of xenopsd.conf, or leave --config out',
    });
  }
  const { method, warnings } = parseXenopsdConf(text);
  if (options.method !== undefined || method === undefined) return { options, warnings };
  return { options: { ...options, method }, warnings };
}
