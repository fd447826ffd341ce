// `ramferry guest compare`: options in, two tables out. The tables go to standard output: they are the result.

import { fileURLToPath } from 'node:url';
import { compareGuests } from '../../guest/compare.js';
import { COMMAND_ENTRY } from '../../os/entries.js';
import { nodeCommand } from '../../os/process/node-command.js';
import { formatComparisons, formatRound } from '../../report/guest.js';
import type { Command } from '../command.js';
import { givenOptions, offerOptions } from '../settings/options.js';
import { runGuest } from './guest-run.js';
import { printResult, stdoutWidth } from '../output/output.js';

export const guestCompare: Command = {
  build: (parser) => offerOptions(parser, 'guest compare'),
  run: (parsed) => {
    const options = givenOptions(parsed, 'guest compare');
    const json = parsed['json'] === true;
    return runGuest(parsed, false, async (reporter) => {
      const summary = await compareGuests(options, {
        ...reporter,
        command: [...nodeCommand(), fileURLToPath(COMMAND_ENTRY)],
        onMigration: (load, compressed) =>
          reporter.progress(
            () => `${load}, ${compressed ? 'with' : 'without'} compression:`,
            () => ({ message_type: 'migration', load, compressed }),
          ),
        onRound: (round) =>
          reporter.progress(
            () => `  ${formatRound(round)}`,
            () => ({ message_type: 'round', ...round }),
          ),
      });
      if (json) await printResult(JSON.stringify({ message_type: 'summary', ...summary }));
      else await printResult(formatComparisons(summary, stdoutWidth()));
    });
  },
};
