// `--config FILE`: settings from a file in xenopsd.conf's syntax, for options that neither the command line nor the environment sets.

import fs from 'node:fs';

import { RamferryError } from '../../errors.js';
import { METHOD_KEY, parseXenopsdConf } from '../../hypervisor/xapi/xenopsd-conf.js';
import { environmentName } from '../../options/names.js';
import type { ParsedArguments } from '../command.js';

export interface Configuration {
  /** Values by the file's keys. The table of options assigns the keys to options. */
  readonly settings: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

/** @throws RamferryError ERR_OPTION_INVALID when the file cannot be read */
export function readConfiguration(parsed: ParsedArguments): Configuration {
  const path = (parsed['config'] as string | undefined) ?? process.env[environmentName('config')];
  if (path === undefined || path === '') return { settings: new Map(), warnings: [] };
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
  return { settings: new Map(method === undefined ? [] : [[METHOD_KEY, method]]), warnings };
}
