// What the pages and the shells' completion take from the table of options. Pure.

import { COMMANDS, type CommandName } from '../../src/options/commands.js';
import { flagText } from '../../src/options/help.js';
import { aliasFlag } from '../../src/options/names.js';
import { type Option, optionsOf } from '../../src/options/table.js';

export const NAMES = Object.keys(COMMANDS) as CommandName[];

/** `ramferry guest source [output]`. */
export function usageOf(command: CommandName): string {
  const group = command.startsWith('guest ') ? 'guest ' : '';
  return `ramferry ${group}${COMMANDS[command].usage}`;
}

/** The option with its short form, and with VALUE unless it is a switch. */
export function written(option: Option): string {
  const { alias, kind } = option;
  return `${alias === undefined ? '' : `${aliasFlag(alias)}, `}${flagText(option)}${kind.isSwitch === true ? '' : ' VALUE'}`;
}

export const switches = (command: CommandName): readonly Option[] =>
  optionsOf(command).filter(({ positional }) => positional === undefined);

export const positionals = (command: CommandName): readonly Option[] =>
  optionsOf(command).filter(({ positional }) => positional !== undefined);

/** The words that are the option's values, or undefined: its choices, or on and off. */
export function wordsOf({ kind }: Option): readonly string[] | undefined {
  if (kind.choices !== undefined) return kind.choices;
  return kind.reading === 'boolean' && kind.isSwitch !== true ? ['on', 'off'] : undefined;
}
