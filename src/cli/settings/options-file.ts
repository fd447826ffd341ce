// The options file of `serve --config FILE`: one `name = value` a line, with the names of the command line. Empty lines and lines that
// begin with `#` say nothing. An option that may be repeated has one line for each value. A wrong line names the file and its number.

import fs from 'node:fs';

import { RamferryError } from '../../errors.js';
import { systemText } from '../../io/system-error.js';
import type { CommandName } from '../../options/commands.js';
import { type Option, optionsOf } from '../../options/table.js';
import { kebabCase, nearest } from '../../units.js';
import { readText } from './environment.js';

type Values = Readonly<Record<string, unknown>>;

export interface FileOptions {
  /** Of the library. */
  readonly options: Values;
  /** Of the command line: logs and metrics. */
  readonly commandLine: Values;
}

/** @throws RamferryError ERR_OPTION_INVALID */
export function readOptionsFile(path: string, command: CommandName): FileOptions {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (cause) {
    throw new RamferryError('ERR_OPTION_INVALID', `config: ${path} cannot be read: ${systemText(cause)}`, {
      cause,
    });
  }
  const options = {};
  const commandLine = {};
  for (const [index, line] of text.split('\n').entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const place = `${path}, line ${index + 1}`;
    const { option, text: value } = readLine(trimmed, command, place);
    take(option.commandLineOnly === true ? commandLine : options, option, value, place);
  }
  return { options, commandLine };
}

function readLine(line: string, command: CommandName, place: string): { option: Option; text: string } {
  const [, name, value] = /^([a-z-]+)\s*=\s*(.*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined || value === '') {
    throw new RamferryError('ERR_OPTION_INVALID', `config: ${place} is not understood`, {
      hint: 'write name = value: max-transfers = 8',
    });
  }
  return { option: optionNamed(name, command, place), text: value };
}

function take(options: Record<string, unknown>, { name, kind }: Option, text: string, place: string): void {
  const repeats = kind.repeats === true;
  const written = kebabCase(name);
  if (!repeats && name in options) {
    throw new RamferryError('ERR_OPTION_INVALID', `config: ${place} sets ${written} a second time`);
  }
  const read = readText(text, kind.reading, `${written} (${place})`);
  options[name] = repeats ? [...((options[name] as unknown[] | undefined) ?? []), read] : read;
}

function optionNamed(name: string, command: CommandName, place: string): Option {
  const offered = optionsOf(command).filter(
    ({ commandLineOnly, inOptionsFile }) => commandLineOnly !== true || inOptionsFile === true,
  );
  const found = offered.find((option) => kebabCase(option.name) === name);
  if (found !== undefined) return found;
  const meant = nearest(
    name,
    offered.map((option) => kebabCase(option.name)),
  );
  throw new RamferryError(
    'ERR_OPTION_INVALID',
    `config: ${place} sets ${name}, which is no option of ${command}`,
    {
      ...(meant === undefined ? {} : { hint: `did you mean ${meant}?` }),
    },
  );
}
