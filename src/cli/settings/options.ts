// Declares the table's options (src/options/table.ts) to yargs, and converts yargs' result to the options of the library.
// The command line wins over the environment, the environment over the configuration file. An option that none of them sets is absent.
//
// yargs' own `.env()` and `coerce` are not used: with `.strict()` yargs refuses variables of other commands, an empty variable would set
// an option, and an error from a coercion loses its code and hint. `default` is not used either: a default would count as given.

import type { Argv, Options } from 'yargs';
import type { CommandName } from '../../options/commands.js';
import { GUIDE } from '../../options/guide.js';
import { ADDRESSES, AMOUNTS, defaultText, helpText } from '../../options/help.js';
import { kebabCase } from '../../units.js';
import { type GivenFor, type Option, optionsOf } from '../../options/table.js';
import { orDash, PARSING, type ParsedArguments } from '../command.js';
import { readEnvironment, readText } from './environment.js';

/** The text below the help of send and receive. */
export const ADDRESS_HELP = `${ADDRESSES}\n${AMOUNTS} Options can also be set in the environment: RAMFERRY_CODEC=lz4.`;

/** Commands in which the last value of an option counts that is given again. In the others that is a mistake. */
const LAST_WINS: ReadonlySet<CommandName> = new Set<CommandName>(['send', 'receive']);

/** What yargs makes of an address that is not given. */
const PRESENCE = { dash: { default: '-' }, required: { demandOption: true }, optional: {} } as const;

/** Adds a command's addresses and options to its parser. */
export function offerOptions(parser: Argv, command: CommandName): Argv {
  const options = optionsOf(command);
  if (options.some(({ kind }) => kind.repeats === true)) {
    // An option that may be repeated takes one value each time.
    parser.parserConfiguration({ ...PARSING, 'duplicate-arguments-array': true, 'greedy-arrays': false });
    if (LAST_WINS.has(command)) parser.middleware((parsed) => keepLast(parsed, options), true);
  }
  const { usual, examples } = GUIDE[command];
  for (const { line, what } of examples) parser.example(`$0 ${line}`, what);
  for (const option of options) {
    const { name, help, positional } = option;
    if (positional === undefined) {
      const group = usual.includes(name) ? { group: USUAL_GROUP } : {};
      parser.option(kebabCase(name), { ...yargsOption(option), ...group });
    } else {
      parser.positional(name, { describe: help, type: 'string', ...PRESENCE[positional] });
    }
  }
  return parser;
}

const USUAL_GROUP = 'Usual options:';

function keepLast(parsed: Record<string, unknown>, options: readonly Option[]): void {
  for (const { name, alias, kind } of options) {
    if (kind.repeats === true) continue;
    for (const key of [name, kebabCase(name), ...(alias === undefined ? [] : [alias])]) {
      const value = parsed[key];
      if (Array.isArray(value)) parsed[key] = value.at(-1);
    }
  }
}

function yargsOption(option: Option): Options {
  const { kind, alias, required } = option;
  const shown = defaultText(option);
  return {
    describe: helpText(option),
    ...(shown === undefined ? {} : { defaultDescription: shown }),
    ...(alias === undefined ? {} : { alias }),
    ...(required === true ? { demandOption: true } : {}),
    ...valueOf(kind),
  };
}

function valueOf({ isSwitch, repeats }: Option['kind']): Options {
  if (isSwitch === true) return { type: 'boolean' };
  return repeats === true ? { type: 'string', array: true, nargs: 1 } : { requiresArg: true };
}

/**
 * The library options that the user gave. The library checks the values; only the conversion from text (numbers, yes and no) is
 * checked here.
 * @param config values of the configuration file, by its keys
 * @throws RamferryError ERR_OPTION_INVALID
 */
export function givenOptions<Command extends CommandName>(
  parsed: ParsedArguments,
  command: Command,
  config: ReadonlyMap<string, string> = new Map(),
): GivenFor<Command> {
  const options: Record<string, unknown> = {};
  for (const option of optionsOf(command)) {
    const { name, kind, configKey } = option;
    if (option.commandLineOnly === true) continue;
    const value = commandLineValue(option, parsed[name]) ?? readEnvironment(process.env, option);
    const configured = configKey === undefined ? undefined : config.get(configKey);
    const given = value ?? (configured === undefined ? undefined : readText(configured, kind.reading, name));
    if (given !== undefined) options[name] = given;
  }
  return options as GivenFor<Command>;
}

function commandLineValue({ name, kind, positional }: Option, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return positional === undefined ? readText(value, kind.reading, name) : orDash(value);
}
