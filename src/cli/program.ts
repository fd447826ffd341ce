// The command line as a whole: finds the command, parses its options, runs it, and turns what was thrown into a
// message and an exit status. Commands are loaded when they are used.

import { isatty } from 'node:tty';
import yargs, { type Argv } from 'yargs';
import { EXIT, RamferryError, toRamferryError } from '../errors.js';
import { COMMANDS, GUEST } from '../options/commands.js';
import { packageVersion } from '../os/version.js';
import type { Command, Entry, ParsedArguments } from './command.js';
import { nearest } from '../units.js';
import { lastReports, reportError } from './output.js';

const ENTRIES: readonly Entry[] = [
  { ...COMMANDS.send, load: async () => (await import('./commands/send.js')).send },
  { ...COMMANDS.receive, load: async () => (await import('./commands/receive.js')).receive },
  { ...COMMANDS.migrate, load: async () => (await import('./commands/migrate.js')).migrate },
  { ...COMMANDS.incoming, load: async () => (await import('./commands/migrate.js')).incoming },
  { ...COMMANDS.inspect, load: async () => (await import('./commands/inspect.js')).inspect },
  { ...COMMANDS.bench, load: async () => (await import('./commands/bench.js')).benchCommand },
  { ...COMMANDS.tune, load: async () => (await import('./commands/tune.js')).tuneCommand },
  {
    ...COMMANDS['emu-manager'],
    load: async () => (await import('./commands/emu-manager.js')).emuManagerCommand,
  },
  { ...GUEST, load: async () => (await import('./commands/guest.js')).guest },
  { ...COMMANDS.features, load: async () => (await import('./commands/features.js')).features },
];

/** Runs the command line `args` (without program names) and resolves with the exit status. Never rejects. */
export async function main(args: readonly string[]): Promise<number> {
  const state: { status: number; loaded: Map<Entry, Promise<Command>> } = {
    status: EXIT.success,
    loaded: new Map(),
  };
  const load = (entry: Entry): Promise<Command> => {
    let command = state.loaded.get(entry);
    if (command === undefined) state.loaded.set(entry, (command = entry.load()));
    return command;
  };
  try {
    const parser = createParser(plainSwitches(withoutDashes(args)));
    leaveHelpAlone(parser);
    const offer = (to: Argv, entry: Entry): void => {
      to.command(
        entry.usage,
        entry.summary,
        async (inner: Argv) => {
          const command = await load(entry);
          for (const each of command.commands ?? []) offer(inner, each);
          return command.build(inner);
        },
        async (parsed: ParsedArguments) => {
          state.status = await (await load(entry)).run(parsed);
        },
      );
    };
    for (const entry of ENTRIES) offer(parser, entry);
    await parser.parseAsync();
    return state.status;
  } catch (thrown) {
    return fail(thrown, args);
  }
}

/** Reports what ended the command, and resolves with its exit status when it is told. */
export async function fail(thrown: unknown, args: readonly string[]): Promise<number> {
  const error = toRamferryError(thrown);
  reportError(error, args.includes('--json'));
  await lastReports();
  return error.exitCode;
}

/** The one command that hands on what follows `--`. */
const HANDS_ON = 'emu-manager';

/**
 * Elsewhere what follows `--` are addresses, which yargs would not give to the command: the dashes go, and a file whose
 * name begins with one gets its directory in front.
 */
function withoutDashes(args: readonly string[]): readonly string[] {
  const dashes = args.indexOf('--');
  if (dashes < 0 || args[0] === HANDS_ON) return args;
  const addresses = args.slice(dashes + 1);
  return [
    ...args.slice(0, dashes),
    ...addresses.map((address) => (/^-./.test(address) ? `./${address}` : address)),
  ];
}

/** yargs takes `--sync=on` for no: a switch is set by `true` alone there. */
function plainSwitches(args: readonly string[]): readonly string[] {
  const dashes = args.indexOf('--');
  const own = dashes < 0 ? args.length : dashes;
  return args.map((arg, index) =>
    index < own
      ? arg.replace(/^(--[a-z-]+)=(?:on|yes)$/, '$1=true').replace(/^(--[a-z-]+)=(?:off|no)$/, '$1=false')
      : arg,
  );
}

interface UsageInsides {
  cacheHelpMessage?: () => void;
  getDescriptions?(): Readonly<Record<string, unknown>>;
}

/** What we reach of yargs' insides; no part of its promises, so anything may be missing. */
interface Insides {
  getInternalMethods?(): { getUsageInstance?(): UsageInsides };
}

/**
 * yargs lays the help out and keeps it whenever a command is run: 30 ms for a text that nobody asks for afterwards.
 * `--help` comes another way.
 * @returns false when this yargs has no such method: help is laid out at each start then
 */
export function leaveHelpAlone(parser: Argv): boolean {
  const usage = (parser as Insides).getInternalMethods?.().getUsageInstance?.();
  if (usage?.cacheHelpMessage === undefined) return false;
  usage.cacheHelpMessage = () => undefined;
  return true;
}

function createParser(args: readonly string[]): Argv {
  return yargs([...args])
    .scriptName('ramferry')
    .usage('$0 <command> [options]')
    .parserConfiguration({
      // `-compress true` is one option in xapi's world, not a group of eight.
      'short-option-groups': false,
      'duplicate-arguments-array': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .demandCommand(1, 'a command is needed')
    .strict()
    .exitProcess(false)
    .version(packageVersion())
    .help()
    .alias('help', 'h')
    .wrap(isatty(1) ? Math.min(100, process.stdout.columns || 100) : 100)
    .fail((message: string | null, thrown: unknown, usage: unknown) => {
      // yargs knows no more than that parsing failed; what a command throws comes as `thrown`.
      if (thrown !== undefined && thrown !== null) throw toRamferryError(thrown);
      throw new RamferryError(
        'ERR_USAGE',
        misspelt(args) ?? message ?? 'the command line cannot be understood',
        {
          hint:
            pointer(args, usage as UsageInsides) ??
            'ramferry --help lists the commands, ramferry COMMAND --help its options',
        },
      );
    });
}

/** How other programs spell what ramferry spells out. */
const ELSEWHERE: readonly (readonly [RegExp, string])[] = [
  [/^-T(\d+)$/, '--compress-threads $1'],
  [/^-p(\d+)$/, '--compress-threads $1'],
  [/^-(\d{1,2})$/, '--compress-level $1'],
  [/^-V$/, '--version'],
  [/^-v$/, '--log-file FILE'],
  [/^-f$/, '--force'],
  [/^-o$/, 'the output as the second address'],
  [/^--threads(=.*)?$/, '--compress-threads or --decompress-threads'],
  [/^--level(=.*)?$/, '--compress-level'],
];

/**
 * What the first word that is not known probably means.
 * @param usage of the command, as yargs hands it to the handler of failures
 */
function pointer(args: readonly string[], usage: UsageInsides): string | undefined {
  const [command = ''] = args;
  const commands = ENTRIES.map(({ usage }) => usage.split(' ')[0]!);
  if (!command.startsWith('-') && !commands.includes(command)) {
    const meant = nearest(command, commands);
    return meant === undefined ? undefined : `did you mean ramferry ${meant}?`;
  }
  const known = new Set(Object.keys(usage.getDescriptions?.() ?? {}));
  for (const arg of args) {
    if (!arg.startsWith('-') || arg === '-') continue;
    const [elsewhere] = ELSEWHERE.filter(([pattern]) => pattern.test(arg));
    if (elsewhere !== undefined) return `${arg}: write ${arg.replace(...elsewhere)}`;
    const name = arg.replace(/^--?(no-)?/, '').replace(/=.*$/, '');
    if (known.has(name)) continue;
    const meant = nearest(
      name,
      [...known].filter((each) => each.length > 1 && /^[a-z-]+$/.test(each)),
    );
    if (meant !== undefined) return `${arg}: did you mean --${meant}?`;
  }
  return undefined;
}

/** yargs calls a command that it does not know an argument, like all that follow it. */
function misspelt([first]: readonly string[]): string | undefined {
  if (first === undefined || first.startsWith('-')) return undefined;
  const known = ENTRIES.some(({ usage }) => usage.split(' ')[0] === first);
  return known ? undefined : `there is no command "${first}"`;
}
