// Builds docs/OPTIONS.md from the table of options. Pure; scripts/option-pages.mjs writes the file.

import { COMMANDS, type CommandName } from '../../src/options/commands.js';
import { ADDRESSES, AMOUNTS, defaultText, helpText } from '../../src/options/help.js';
import { environmentName } from '../../src/options/names.js';
import { NAMES, switches, usageOf, written } from './table.js';

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
