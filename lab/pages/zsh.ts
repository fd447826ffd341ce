// Builds the completion of zsh from the table of options, with _arguments: packaging/completion/_ramferry, which scripts/package installs.

import { COMMANDS, type CommandName, GUEST } from '../../src/options/commands.js';
import { flagText, helpText } from '../../src/options/help.js';
import { aliasFlag } from '../../src/options/names.js';
import type { Option } from '../../src/options/table.js';
import { ADDRESS_PREFIXES, firstWords, guestWords } from './bash.js';
import { NAMES, positionals, switches, wordsOf } from './table.js';

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** Text within a specification of _arguments. */
const plain = (text: string): string => text.replace(/[\\[\]:]/g, '\\$&');

function actionOf(option: Option): string {
  const words = wordsOf(option);
  if (words !== undefined) {
    return option.kind.reading === 'list' ? `_values -s , value ${words.join(' ')}` : `(${words.join(' ')})`;
  }
  const { completion } = option.kind;
  if (completion === 'address') return '_ramferry_address';
  if (completion === undefined) return ' ';
  return completion === 'directory' ? '_files -/' : '_files';
}

function specification(option: Option): string {
  const { alias, kind } = option;
  const flag = flagText(option);
  const value = kind.isSwitch === true ? '' : `:value:${actionOf(option)}`;
  const text = `[${plain(helpText(option))}]${value}`;
  if (alias !== undefined)
    return `'(${aliasFlag(alias)} ${flag})'{${aliasFlag(alias)},${flag}}${quoted(text)}`;
  return quoted(`${kind.repeats === true ? '*' : ''}${flag}${kind.isSwitch === true ? '' : '='}${text}`);
}

const described = (name: string, summary: string): string =>
  `    ${quoted(`${plain(name)}:${plain(summary)}`)}`;

function commandCase(command: CommandName): string {
  const ends = positionals(command).map((option) => quoted(`:${option.name}:${actionOf(option)}`));
  const all = ["'(- *)'{-h,--help}'[show help]'", ...switches(command).map(specification), ...ends];
  return [
    `    ${quoted(command)})`,
    '      _arguments -s \\',
    `        ${all.join(' \\\n        ')}`,
    '      ;;',
  ].join('\n');
}

/** The text of packaging/completion/_ramferry. */
export function zshCompletion(): string {
  const summary = (word: string): string =>
    word === 'guest' ? GUEST.summary : COMMANDS[word as CommandName].summary;
  return [
    '#compdef ramferry',
    '# Written by scripts/option-pages.mjs from src/options: change the table there, not this file.',
    '',
    '_ramferry_address() {',
    `  if compset -P '(unix|unix-listen|file):'; then`,
    '    _files',
    '  else',
    "    _alternative 'files:file:_files' \\",
    `      'prefixes:address:compadd -S "" -- ${ADDRESS_PREFIXES.join(' ')}'`,
    '  fi',
    '}',
    '',
    '_ramferry_options() {',
    '  case $1 in',
    ...NAMES.map(commandCase),
    '  esac',
    '}',
    '',
    '_ramferry() {',
    '  local -a commands guests',
    '  commands=(',
    ...firstWords().map((word) => described(word, summary(word))),
    '  )',
    '  guests=(',
    ...guestWords().map((word) => described(word, summary(`guest ${word}`))),
    '  )',
    '  if ((CURRENT == 2)); then',
    '    _describe command commands',
    '    return',
    '  fi',
    '  local command=$words[2]',
    '  if [[ $command == guest ]]; then',
    '    if ((CURRENT == 3)); then',
    '      _describe command guests',
    '      return',
    '    fi',
    '    command="guest $words[3]"',
    '    shift words',
    '    ((CURRENT--))',
    '  fi',
    '  shift words',
    '  ((CURRENT--))',
    '  _ramferry_options "$command"',
    '}',
    '',
    '_ramferry "$@"',
    '',
  ].join('\n');
}
