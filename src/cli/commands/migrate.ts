// `ramferry migrate` and `ramferry incoming`: options in, exit status out.

import type { Argv, Options } from 'yargs';

import { receiveGuest } from '../../hypervisor/qemu/destination.js';
import type { IncomingOptions, MigrateOptions } from '../../options/migrate.js';
import { migrateGuest } from '../../hypervisor/qemu/source.js';
import { RECEIVE_ENVIRONMENT, SEND_ENVIRONMENT, type OptionKind } from '../environment.js';
import type { Command, ParsedArguments } from '../command.js';
import { COMMON, gather, RECEIVE, SEND } from '../options.js';
import { runTransfer } from '../transfer.js';

/** A guest that has been stopped must be continued before we go; QEMU may need its time for that. */
const CLEAN_UP_MS = 40_000;

/** Of `send` and `receive`, what makes no sense where the stream is not the user's. */
const LEFT_OUT = new Set([
  'format',
  'method',
  'xenguest-version',
  'config',
  'one-way',
  'direct-io',
  'sync',
  'pass-through',
  'window',
]);

const GUEST: Record<string, Options> = {
  qmp: {
    describe: "QEMU's monitor: unix:PATH of -qmp unix:PATH,server=on,wait=off",
    requiresArg: true,
    demandOption: true,
    type: 'string',
  },
  ram: {
    describe: "a file that is the guest's RAM; once for each (what QEMU says)",
    type: 'string',
    array: true,
    nargs: 1,
  },
  'qemu-pid': { describe: "QEMU's process (what holds the monitor's socket)", requiresArg: true },
  'ram-unchecked': {
    describe: 'take the files of --ram, and their order, as they are where no proof is possible',
    type: 'boolean',
  },
};

const MIGRATE: Record<string, Options> = {
  'downtime-limit': { describe: 'downtime that is aimed at (300ms)', requiresArg: true },
  'max-rounds': {
    describe: 'rounds after which the guest is stopped whatever is left (30)',
    requiresArg: true,
  },
  'quit-source': {
    describe: "end the source's QEMU when the destination runs the guest",
    type: 'boolean',
  },
  'verify-ram': {
    describe: 'compare all RAM of both sides before the hand-over; adds to the downtime',
    type: 'boolean',
  },
};

const MIGRATE_LINE: Record<string, OptionKind> = {
  output: 'text',
  force: 'boolean',
  qmp: 'text',
  ram: 'text',
  qemuPid: 'number',
  ramUnchecked: 'boolean',
  downtimeLimit: 'text',
  maxRounds: 'number',
  quitSource: 'boolean',
  verifyRam: 'boolean',
};
const INCOMING_LINE: Record<string, OptionKind> = {
  input: 'text',
  force: 'boolean',
  qmp: 'text',
  ram: 'text',
  qemuPid: 'number',
  ramUnchecked: 'boolean',
};

function without<T>(options: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !LEFT_OUT.has(name)));
}

/** Variables of the environment speak to `send` and `receive` as well: what does not apply here is passed over. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function applicable(table: Record<string, OptionKind>): Record<string, OptionKind> {
  return Object.fromEntries(Object.entries(table).filter(([name]) => !LEFT_OUT.has(kebab(name))));
}

function build(parser: Argv, options: Record<string, Options>): Argv {
  return (
    parser
      // `--ram` may stand several times and takes one value each time.
      .parserConfiguration({
        'duplicate-arguments-array': true,
        'greedy-arrays': false,
        'short-option-groups': false,
        'dot-notation': false,
        'parse-numbers': false,
        'parse-positional-numbers': false,
      })
      .options({ ...GUEST, ...without(options) })
      .epilog(
        'An address is tcp:HOST:PORT, tcp-listen:[HOST:]PORT, unix:PATH or unix-listen:PATH. ' +
          'docs/SHARED-MEMORY.md has an example and says what happens when.',
      )
  );
}

export const migrate: Command = {
  build: (parser) =>
    build(parser.positional('output', { describe: 'the link', type: 'string', demandOption: true }), {
      ...SEND,
      ...COMMON,
      ...MIGRATE,
    }),
  run: (parsed: ParsedArguments) => {
    const options = gather(parsed, applicable(SEND_ENVIRONMENT), MIGRATE_LINE) as unknown as MigrateOptions;
    return runTransfer(parsed, options, (hooks) => migrateGuest({ ...options, ...hooks }), {
      cleanUp: CLEAN_UP_MS,
    });
  },
};

export const incoming: Command = {
  build: (parser) =>
    build(parser.positional('input', { describe: 'the link', type: 'string', demandOption: true }), {
      ...RECEIVE,
      ...COMMON,
    }),
  run: (parsed: ParsedArguments) => {
    const options = gather(
      parsed,
      applicable(RECEIVE_ENVIRONMENT),
      INCOMING_LINE,
    ) as unknown as IncomingOptions;
    return runTransfer(parsed, { output: '' }, (hooks) => receiveGuest({ ...options, ...hooks }), {
      cleanUp: CLEAN_UP_MS,
    });
  },
};
