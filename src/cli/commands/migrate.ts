// `ramferry migrate` and `ramferry incoming`: options in, exit status out.

import type { Argv } from 'yargs';

import { receiveGuest } from '../../hypervisor/qemu/destination.js';
import { migrateGuest } from '../../hypervisor/qemu/source.js';
import type { Command, ParsedArguments } from '../command.js';
import { givenOptions, offerOptions } from '../settings/options.js';
import { runTransfer } from '../transfer.js';

/** The command must continue a stopped guest before it exits, and QEMU may take this long. */
const CLEAN_UP_MS = 40_000;

function build(parser: Argv, command: 'migrate' | 'incoming'): Argv {
  return offerOptions(parser, command).epilog(
    'An address is tcp:HOST:PORT, tcp-listen:[HOST:]PORT, unix:PATH or unix-listen:PATH. ' +
      'docs/SHARED-MEMORY.md has an example and says what happens when.',
  );
}

export const migrate: Command = {
  build: (parser) => build(parser, 'migrate'),
  run: (parsed: ParsedArguments) => {
    const options = givenOptions(parsed, 'migrate');
    return runTransfer(parsed, options, (hooks) => migrateGuest({ ...options, ...hooks }), {
      command: 'migrate',
      side: 'source',
      cleanUp: CLEAN_UP_MS,
    });
  },
};

export const incoming: Command = {
  build: (parser) => build(parser, 'incoming'),
  run: (parsed: ParsedArguments) => {
    const options = givenOptions(parsed, 'incoming');
    return runTransfer(parsed, { output: '' }, (hooks) => receiveGuest({ ...options, ...hooks }), {
      command: 'incoming',
      side: 'destination',
      cleanUp: CLEAN_UP_MS,
    });
  },
};
