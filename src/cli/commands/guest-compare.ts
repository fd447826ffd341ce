// `ramferry guest compare`: options in, two tables out. The tables go to standard output: they are the result.

import { fileURLToPath } from 'node:url';
import { compareGuests } from '../../guest/compare.js';
import type { CompareOptions } from '../../options/guest.js';
import { SHAPINGS } from '../../options/amounts.js';
import { COMMAND_ENTRY } from '../../os/entries.js';
import { formatComparisons, formatRound } from '../../report/guest.js';
import type { Command } from '../command.js';
import { gatherGuest, GUEST_OPTIONS, REPORT_OPTIONS } from './guest-options.js';
import { runGuest } from './guest-run.js';
import { printResult } from '../output.js';

const OPTIONS = {
  ...GUEST_OPTIONS,
  'dirty-rate': {
    describe: 'of the guest that writes: pages per second, as bytes (80MB)',
    requiresArg: true,
  },
  link: { describe: 'speed of the link (1gbit)', requiresArg: true },
  shaping: {
    describe: `what limits it: ${SHAPINGS.join(', ')} (auto: tc as root, in network namespaces of its own)`,
    requiresArg: true,
  },
  codec: { describe: 'as for send', requiresArg: true },
  'compress-level': { describe: 'as for send', requiresArg: true },
  'compress-threads': { describe: 'as for send', requiresArg: true },
  'decompress-threads': { describe: 'as for receive', requiresArg: true },
  ...REPORT_OPTIONS,
};

export const guestCompare: Command = {
  build: (parser) => parser.options(OPTIONS),
  run: (parsed) => {
    const options = gatherGuest(parsed, Object.keys(OPTIONS)) as CompareOptions;
    const json = parsed['json'] === true;
    return runGuest(parsed, false, async (reporter) => {
      const summary = await compareGuests(options, {
        ...reporter,
        command: [process.execPath, fileURLToPath(COMMAND_ENTRY)],
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
      else await printResult(formatComparisons(summary));
    });
  },
};
