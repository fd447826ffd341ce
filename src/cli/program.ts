// The command line as a whole: finds the command, parses its options, runs it, and turns a thrown error into a
// message and an exit status. A command's modules load when the command is used.

import { isatty } from 'node:tty';
import yargs, { type Argv } from 'yargs';
import { EXIT, RamferryError, toRamferryError } from '../errors.js';
import { COMMANDS, GUEST } from '../options/commands.js';
import { packageVersion } from '../os/version.js';
import { type Command, type Entry, PARSING, type ParsedArguments } from './command.js';
import { nearest } from '../units.js';
import { fail } from './output/failure.js';
import { runProcess } from './process/run.js';
import { traceCommand } from './tracing/command-trace.js';

const ENTRIES: readonly Entry[] = [
  { ...COMMANDS.send, load: async () => (await import('./commands/send.js')).send },
  { ...COMMANDS.receive, load: async () => (await import('./commands/receive.js')).receive },
  { ...COMMANDS.migrate, load: async () => (await import('./commands/migrate.js')).migrate },
  { ...COMMANDS.incoming, load: async () => (await import('./commands/migrate.js')).incoming },
  {
    ...COMMANDS['qemu-migrate'],
    load: async () => (await import('./commands/qemu-migrate.js')).qemuMigrateCommand,
  },
  { ...COMMANDS.serve, load: async () => (await import('./commands/serve.js')).serve },
  { ...COMMANDS.status, load: async () => (await import('./commands/status.js')).status },
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

/** Runs the command line `args` (without program names), and ends the process with its exit status. */
export function startProgram(args: readonly string[]): void {
  runProcess(args, () => main(args));
}

/** Runs the command line `args` and resolves with the exit status. Never rejects. */
async function main(args: readonly string[]): Promise<number> {
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
    const parser = createParser(args);
    skipHelpLayout(parser);
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
          const command = await load(entry);
          const words = (parsed['_'] as readonly string[]).join(' ');
          state.status = await traceCommand(words, () => command.run(parsed));
        },
      );
    };
    for (const entry of ENTRIES) offer(parser, entry);
    await parser.parseAsync();
    return state.status;
  } catch (thrown) {
    return fail(isParsingError(thrown) ? usageError(args, thrown.message) : thrown, args);
  }
}

/** Whether yargs could not parse the arguments. With a command that loads later, it rejects and calls no handler of failures. */
function isParsingError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && thrown.name === 'YError';
}

function usageError(args: readonly string[], message: string | null, usage?: YargsUsage): RamferryError {
  return new RamferryError(
    'ERR_USAGE',
    unknownCommand(args) ?? message ?? 'the command line cannot be understood',
    {
      hint:
        (usage === undefined ? undefined : suggestion(args, usage)) ??
        'ramferry --help lists the commands, ramferry COMMAND --help its options',
    },
  );
}

/** The only command that passes the arguments after `--` to another program. */
const PASS_THROUGH_COMMAND = 'emu-manager';

/**
 * Removes `--`, and puts `./` in front of a file name that begins with a dash. In all other commands the arguments after `--` are
 * addresses, and yargs would not pass them to the command.
 */
function withoutDoubleDash(args: readonly string[]): readonly string[] {
  const dashes = args.indexOf('--');
  if (dashes < 0 || args[0] === PASS_THROUGH_COMMAND) return args;
  const addresses = args.slice(dashes + 1);
  return [
    ...args.slice(0, dashes),
    ...addresses.map((address) => (/^-./.test(address) ? `./${address}` : address)),
  ];
}

/** Rewrites the values of switches for yargs, which reads `--sync=on` as no: only `true` sets a switch. */
function withTrueAndFalse(args: readonly string[]): readonly string[] {
  const dashes = args.indexOf('--');
  const own = dashes < 0 ? args.length : dashes;
  return args.map((arg, index) =>
    index < own
      ? arg.replace(/^(--[a-z-]+)=(?:on|yes)$/, '$1=true').replace(/^(--[a-z-]+)=(?:off|no)$/, '$1=false')
      : arg,
  );
}

interface YargsUsage {
  cacheHelpMessage?: () => void;
  getDescriptions?(): Readonly<Record<string, unknown>>;
}

/** The private methods of yargs that ramferry uses. They are not yargs' public API, so any of them may be missing. */
interface YargsInternals {
  getInternalMethods?(): { getUsageInstance?(): YargsUsage };
}

/**
 * Keeps yargs from formatting and caching the help when a command runs, which takes 30 ms. `--help` uses another method.
 * @returns false when this yargs has no such method: then help is formatted at each start
 */
export function skipHelpLayout(parser: Argv): boolean {
  const usage = (parser as YargsInternals).getInternalMethods?.().getUsageInstance?.();
  if (usage?.cacheHelpMessage === undefined) return false;
  usage.cacheHelpMessage = () => undefined;
  return true;
}

/** Columns of help that goes to no terminal, or to one that tells no width. */
const HELP_WIDTH = 80;

/** The parser of the whole command line, still without its commands. */
export function createParser(args: readonly string[]): Argv {
  return yargs([...withTrueAndFalse(withoutDoubleDash(args))])
    .scriptName('ramferry')
    .usage('$0 <command> [options]')
    .parserConfiguration({ ...PARSING, 'duplicate-arguments-array': false })
    .demandCommand(1, 'a command is needed')
    .strict()
    .exitProcess(false)
    .version(packageVersion())
    .help()
    .alias('help', 'h')
    .wrap(isatty(1) ? Math.min(100, process.stdout.columns || HELP_WIDTH) : HELP_WIDTH)
    .fail((message: string | null, thrown: unknown, usage: unknown) => {
      // A parsing failure has a message, and sometimes an error of yargs. An error of a command arrives as `thrown`.
      if (thrown !== undefined && thrown !== null && !isParsingError(thrown)) throw toRamferryError(thrown);
      throw usageError(args, message, usage as YargsUsage);
    });
}

/** Spellings of other programs, and ramferry's option for each. */
const FOREIGN_OPTIONS: readonly (readonly [RegExp, string])[] = [
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
 * Suggests a command or option for the first unknown word.
 * @param usage of the command, as yargs passes it to the failure handler
 */
function suggestion(args: readonly string[], usage: YargsUsage): string | undefined {
  const [command = ''] = args;
  const commands = ENTRIES.map(({ usage }) => usage.split(' ')[0]!);
  if (!command.startsWith('-') && !commands.includes(command)) {
    const meant = nearest(command, commands);
    return meant === undefined ? undefined : `did you mean ramferry ${meant}?`;
  }
  const known = new Set(Object.keys(usage.getDescriptions?.() ?? {}));
  for (const arg of args) {
    if (!arg.startsWith('-') || arg === '-') continue;
    const [foreign] = FOREIGN_OPTIONS.filter(([pattern]) => pattern.test(arg));
    if (foreign !== undefined) return `${arg}: write ${arg.replace(...foreign)}`;
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

/** The message for an unknown command, which yargs would report as an argument together with all later arguments. */
function unknownCommand([first]: readonly string[]): string | undefined {
  if (first === undefined || first.startsWith('-')) return undefined;
  const known = ENTRIES.some(({ usage }) => usage.split(' ')[0] === first);
  return known ? undefined : `there is no command "${first}"`;
}
