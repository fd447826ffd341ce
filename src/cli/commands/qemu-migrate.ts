// `ramferry qemu-migrate`: options in, exit status out. 0: the destination runs the guest. 7: unknown. Any other: the source has it.

import type { Argv } from 'yargs';

import { migrateQemu } from '../../hypervisor/qemu/whole/migrate.js';
import type { QemuRound } from '../../hypervisor/qemu/whole/rounds.js';
import { formatQemuRound, qemuRoundLine } from '../../report/qemu-round.js';
import type { Command, ParsedArguments } from '../command.js';
import { givenOptions, offerOptions } from '../settings/options.js';
import { toStderr, toStdout } from '../output/output.js';
import { runTransfer } from '../transfer.js';

/** The command must cancel the migration and settle where the guest runs before it exits, and QEMU may take this long. */
const CLEAN_UP_MS = 120_000;

export const qemuMigrateCommand: Command = {
  build: (parser: Argv) =>
    offerOptions(parser, 'qemu-migrate').epilog(
      'The exit status is 0 when the destination runs the guest, 7 when that is unknown; with any other the guest is at the source. ' +
        'docs/INTEGRATION.md has examples.',
    ),
  run: (parsed: ParsedArguments) => {
    const options = givenOptions(parsed, 'qemu-migrate');
    const onRound = (round: QemuRound): void => {
      if (parsed['json'] === true) toStdout(qemuRoundLine(round));
      else if (parsed['quiet'] !== true) toStderr(`ramferry: ${formatQemuRound(round)}`);
    };
    return runTransfer(
      parsed,
      { ...options, output: options.output ?? '' },
      (hooks) => migrateQemu({ ...options, ...hooks }, { onRound }),
      { command: 'qemu-migrate', side: 'source', cleanUp: CLEAN_UP_MS },
    );
  },
};
