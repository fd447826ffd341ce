// `ramferry guest source`: options in, reports out.

import { runGuestSource } from '../../guest/source.js';
import type { SourceOptions } from '../../options/guest.js';
import { formatRound, formatSource } from '../../report/guest.js';
import { formatSize } from '../../units.js';
import type { Command } from '../command.js';
import { gatherGuest, GUEST_OPTIONS, LINK_OPTIONS } from './guest-options.js';
import { runGuest } from './guest-run.js';

const OPTIONS = {
  ...GUEST_OPTIONS,
  'dirty-rate': { describe: 'pages written per second, as bytes: 80MB (0 = none)', requiresArg: true },
  'max-bandwidth': { describe: 'limit of the link: 1gbit, 100MB (0 = none)', requiresArg: true },
  ...LINK_OPTIONS,
};

export const guestSource: Command = {
  build: (parser) =>
    parser
      .positional('output', { describe: 'the link', type: 'string', default: '-' })
      .options(OPTIONS)
      .epilog('Addresses are those of ramferry send.'),
  run: (parsed) => {
    const output = String(parsed['output']);
    const options = { ...gatherGuest(parsed, Object.keys(OPTIONS)), output } as SourceOptions;
    return runGuest(parsed, output === '-', async (reporter) => {
      const summary = await runGuestSource(options, {
        ...reporter,
        onReady: (bytes) =>
          reporter.progress(
            () => `the guest has ${formatSize(bytes)} of RAM`,
            () => ({ message_type: 'ready', 'total-bytes': bytes }),
          ),
        onRound: (round) =>
          reporter.progress(
            () => formatRound(round),
            () => ({ message_type: 'round', ...round }),
          ),
      });
      reporter.result(
        () => formatSource(summary),
        () => ({ message_type: 'summary', ...summary }),
      );
    });
  },
};
