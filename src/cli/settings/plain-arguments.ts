// Reads the plain arguments of a command without yargs, whose loading and parsing take 40 ms of processor time. Plain arguments are known
// options, each at most once and with its value, and addresses. The result is what yargs makes of them (test/cli/settings/plain-arguments.test.ts).
// All others (help, mistakes, abbreviated or repeated options, dashes in values) are left to yargs: its messages are the command's.

import type { CommandName } from '../../options/commands.js';
import { aliasFlag } from '../../options/names.js';
import { type Option, optionsOf } from '../../options/table.js';
import { kebabCase } from '../../units.js';
import type { ParsedArguments } from '../command.js';

/** Values that yargs changes, or takes for something else. */
const NOT_PLAIN = /^$|^-.|^['"]|['"]$/;
/** Attached values that the full program rewrites for switches. */
const REWRITTEN = /^(on|yes|off|no)$/;
/** Words that yargs takes for the value of the switch in front of them. */
const SWITCH_VALUE = /^(true|false)$/;

/**
 * The values by the options' names.
 * @param args without the command's name
 * @returns undefined when yargs must read the arguments
 */
export function plainArguments(args: readonly string[], command: CommandName): ParsedArguments | undefined {
  const options = optionsOf(command);
  const addresses = options.filter(({ positional }) => positional !== undefined);
  const named = byFlag(options);
  const negated = byNegation(options);
  const values = new Map<string, unknown>();
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (!/^-./.test(arg)) {
      words.push(arg);
      continue;
    }
    const [flag, attached] = split(arg);
    const off = negated.get(flag);
    const option = off ?? named.get(flag);
    if (option === undefined || values.has(option.name)) return undefined;
    const { isSwitch, repeats } = option.kind;
    if (isSwitch === true) {
      if (attached !== undefined || SWITCH_VALUE.test(args[at + 1] ?? '')) return undefined;
      values.set(option.name, off === undefined);
      continue;
    }
    if (attached !== undefined && REWRITTEN.test(attached)) return undefined;
    const value = attached ?? args[++at];
    // yargs reads `-o=value` and `-ovalue` in ways of its own.
    if (value === undefined || NOT_PLAIN.test(value) || !flag.startsWith('--')) return undefined;
    // yargs takes no dash for the value of an option that repeats.
    if (repeats === true && value.startsWith('-')) return undefined;
    values.set(option.name, repeats === true ? [value] : value);
  }
  if (words.length > addresses.length || words.some((word) => word !== '-' && NOT_PLAIN.test(word)))
    return undefined;
  addresses.forEach(({ name, positional }, index) => {
    const word = words[index] ?? (positional === 'dash' ? '-' : undefined);
    if (word !== undefined) values.set(name, word);
  });
  const isComplete = options.every(({ name, required, positional }) => {
    return (required !== true && positional !== 'required') || values.has(name);
  });
  return isComplete ? Object.fromEntries(values) : undefined;
}

function byFlag(options: readonly Option[]): Map<string, Option> {
  const named = new Map<string, Option>();
  for (const option of options) {
    if (option.positional !== undefined) continue;
    named.set(`--${kebabCase(option.name)}`, option);
    if (option.alias !== undefined) named.set(aliasFlag(option.alias), option);
  }
  return named;
}

/** Switches by `--no-name`. */
function byNegation(options: readonly Option[]): Map<string, Option> {
  const switches = options.filter(({ kind }) => kind.isSwitch === true);
  return new Map(switches.map((option) => [`--no-${kebabCase(option.name)}`, option]));
}

/** `--name=value` in its two parts. */
function split(arg: string): [string, string | undefined] {
  const equals = arg.indexOf('=');
  return equals < 0 ? [arg, undefined] : [arg.slice(0, equals), arg.slice(equals + 1)];
}
