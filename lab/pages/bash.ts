// Builds the completion of bash from the table of options. It needs nothing but bash 4: words that readline splits at `:` and `=` are
// joined again here. packaging/completion/ramferry.bash; scripts/package installs it.

import type { CommandName } from '../../src/options/commands.js';
import { flagText } from '../../src/options/help.js';
import type { Option } from '../../src/options/table.js';
import { NAMES, positionals, switches, wordsOf } from './table.js';

export const ADDRESS_PREFIXES = ['tcp:', 'tcp-listen:', 'unix:', 'unix-listen:', 'fd:', 'exec:', 'file:'];

/** The first words of commands: `guest source` is completed in two steps. */
export const firstWords = (): readonly string[] => [...new Set(NAMES.map((name) => name.split(' ')[0]!))];

export const guestWords = (): readonly string[] =>
  NAMES.filter((name) => name.startsWith('guest ')).map((name) => name.split(' ')[1]!);

/** What a value is completed with: `words none lz4`, `list none lz4` (with commas), `file`, or nothing. */
function valueOf(option: Option): string {
  const words = wordsOf(option);
  if (words === undefined) return option.kind.completion ?? 'nothing';
  return `${option.kind.reading === 'list' ? 'list' : 'words'} ${words.join(' ')}`;
}

function commandCase(command: CommandName): string {
  const own = switches(command);
  const byValue = new Map<string, string[]>();
  for (const option of own) {
    if (option.kind.isSwitch === true) continue;
    const value = valueOf(option);
    byValue.set(value, [...(byValue.get(value) ?? []), flagText(option)]);
  }
  const flags = own.map((option) => flagText(option));
  const negated = own
    .filter(({ kind }) => kind.isSwitch === true)
    .map((option) => flagText(option).replace('--', '--no-'));
  const end = positionals(command)[0]?.kind.completion ?? 'nothing';
  return [
    `    '${command}')`,
    `      options='${[...flags, '--help'].join(' ')}'`,
    `      negated='${negated.join(' ')}'`,
    `      positional=${end}`,
    ...(byValue.size === 0
      ? []
      : [
          '      case $2 in',
          ...[...byValue].map(([value, names]) => `        ${names.join(' | ')}) value='${value}' ;;`),
          '      esac',
        ]),
    '      ;;',
  ].join('\n');
}

const FUNCTIONS = `
# Files, and prefixes of addresses where the word has none yet. COMPREPLY gets them.
_ramferry_complete() {
  local kind=$1 current=$2 before=$3 words
  case $kind in
    words\\ *) mapfile -t COMPREPLY < <(compgen -W "\${kind#words }" -- "$current") ;;
    list\\ *)
      words=\${kind#list }
      local done=
      [[ $current != *,* ]] || done=\${current%,*},
      mapfile -t COMPREPLY < <(compgen -P "$done" -W "$words" -- "\${current##*,}")
      ;;
    directory)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      ;;
    file | address)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      if [[ $kind == address && $before != *: ]]; then
        mapfile -t words < <(compgen -W '${ADDRESS_PREFIXES.join(' ')}' -- "$current")
        if ((\${#words[@]})); then
          compopt -o nospace 2>/dev/null
          COMPREPLY+=("\${words[@]}")
          return
        fi
      fi
      compopt -o filenames 2>/dev/null
      ;;
  esac
}

_ramferry() {
  local current=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]-} first=2 option= before= index=$((COMP_CWORD - 1))
  local options= negated= positional=nothing value=
  COMPREPLY=()
  if [[ $command == guest ]]; then
    command="guest \${COMP_WORDS[2]-}"
    first=3
  fi
  if ((COMP_CWORD < first)); then
    if ((COMP_CWORD == 1)); then
      mapfile -t COMPREPLY < <(compgen -W "$_ramferry_commands" -- "$current")
    else
      mapfile -t COMPREPLY < <(compgen -W "$_ramferry_guest" -- "$current")
    fi
    return
  fi
  # Readline gives \`--codec=zs\` as three words, and \`unix:/run/x\` too.
  if [[ $current == [=:] ]]; then
    before=$current
    current=
  elif [[ \${COMP_WORDS[index]} == [=:] ]]; then
    before=\${COMP_WORDS[index]}
    index=$((index - 1))
  fi
  if [[ $before == : ]]; then
    # Only these addresses go on with the name of a file.
    case \${COMP_WORDS[index]} in unix | unix-listen | file) ;; *) return ;; esac
    index=$((index - 1))
  fi
  ((index < first)) || option=\${COMP_WORDS[index]}
  [[ $option != '=' ]] || option=\${COMP_WORDS[index - 1]}
  _ramferry_table "$command" "$option"
  if [[ -n $value ]]; then
    _ramferry_complete "$value" "$current" "$before"
  elif [[ $current == --no-* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$negated $options" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  else
    _ramferry_complete "$positional" "$current" "$before"
  fi
}

complete -F _ramferry ramferry
`;

/** The text of packaging/completion/ramferry.bash. */
export function bashCompletion(): string {
  return [
    '# Completion of ramferry for bash 4 and newer.',
    '# Written by scripts/option-pages.mjs from src/options: change the table there, not this file.',
    '',
    `_ramferry_commands='${[...firstWords(), '--help', '--version'].join(' ')}'`,
    `_ramferry_guest='${guestWords().join(' ')}'`,
    '',
    '# Sets options, negated, positional, and value: what completes the value of option $2 of command $1.',
    '_ramferry_table() {',
    '  case $1 in',
    ...NAMES.map(commandCase),
    '  esac',
    '}',
    FUNCTIONS,
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}
