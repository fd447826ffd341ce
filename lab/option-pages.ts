// Builds docs/OPTIONS.md and the manual page from the table of options. Pure; scripts/option-pages.mjs writes the files.

import { COMMANDS, type CommandName } from '../src/options/commands.js';
import { ADDRESSES, AMOUNTS, defaultText, flagText, helpText } from '../src/options/help.js';
import { environmentName } from '../src/options/names.js';
import { type Option, optionsOf } from '../src/options/table.js';

const NAMES = Object.keys(COMMANDS) as CommandName[];

function usageOf(command: CommandName): string {
  const group = command.startsWith('guest ') ? 'guest ' : '';
  return `ramferry ${group}${COMMANDS[command].usage}`;
}

/** The option with its short form, and with VALUE unless it is a switch. */
function written(option: Option): string {
  const { alias, kind } = option;
  return `${alias === undefined ? '' : `-${alias}, `}${flagText(option)}${kind.isSwitch === true ? '' : ' VALUE'}`;
}

const switches = (command: CommandName): readonly Option[] =>
  optionsOf(command).filter(({ positional }) => positional === undefined);

/** A Markdown table in prettier's layout: each column is as wide as its widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const [head, ...body] = rows;
  return [line(head!), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

function section(command: CommandName): string {
  const rows = switches(command).map((option) => [
    `\`${written(option)}\``,
    helpText(option),
    defaultText(option) ?? (option.required === true ? 'required' : ''),
    option.environment === true ? `\`${environmentName(option.name)}\`` : '',
  ]);
  const parts = [`## ${command}`, `\`${usageOf(command)}\``, `${COMMANDS[command].summary}.`];
  if (rows.length > 0) parts.push(table([['option', 'what it does', 'default', 'environment'], ...rows]));
  return parts.join('\n\n');
}

/** The text of docs/OPTIONS.md. */
export function optionsPage(): string {
  return [
    '# Options',
    '<!-- Written by scripts/option-pages.mjs from src/options: change the table there, not this page. -->',
    'The command line wins over the environment, the environment over the file of `--config`. `--no-NAME` says no to an option without VALUE.',
    `${ADDRESSES} ${AMOUNTS}`,
    ...NAMES.map(section),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\\\')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');

/** When the manual page got its form; mandoc asks for a date. */
const PAGE_DATE = '2026-11-30';

/** The text of docs/ramferry.1. */
export function manualPage(): string {
  const lines = [
    '.\\" Written by scripts/option-pages.mjs from src/options: change the table there, not this page.',
    `.TH RAMFERRY 1 ${PAGE_DATE}`,
    '.SH NAME',
    roff("ramferry - carries a running virtual machine's memory to another host"),
    '.SH SYNOPSIS',
    ...NAMES.flatMap((name, index) => [...(index === 0 ? [] : ['.br']), roff(usageOf(name))]),
    '.SH DESCRIPTION',
    roff(`${ADDRESSES} ${AMOUNTS}`),
    '.PP',
    roff(
      'The command line wins over the environment, the environment over the file of --config. --no-NAME says no to an option without VALUE.',
    ),
  ];
  for (const name of NAMES) {
    lines.push(`.SH ${roff(name.toUpperCase())}`, roff(`${COMMANDS[name].summary}.`));
    for (const option of switches(name)) {
      const shown = defaultText(option);
      const more = [
        ...(shown === undefined ? [] : [`Default: ${shown}.`]),
        ...(option.environment === true ? [`Environment: ${environmentName(option.name)}.`] : []),
      ];
      lines.push(
        '.TP',
        roff(`.B ${written(option)}`).replace('\\&.B', '.B'),
        roff([`${helpText(option)}.`, ...more].join(' ')),
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
