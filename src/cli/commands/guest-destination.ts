// `ramferry guest destination`: options in, reports out.

import { runGuestDestination } from '../../guest/destination.js';
import type { DestinationOptions } from '../../options/guest.js';
import { formatDestination } from '../../report/guest.js';
import type { Command } from '../command.js';
import { gatherGuest, LINK_OPTIONS } from './guest-options.js';
import { runGuest } from './guest-run.js';

const OPTIONS = {
  'ram-limit': { describe: 'refuse a guest with more RAM (4GiB)', requiresArg: true },
  ...LINK_OPTIONS,
};

export const guestDestination: Command = {
  build: (parser) =>
    parser
      .positional('input', { describe: 'the link', type: 'string', default: '-' })
      .options(OPTIONS)
      .epilog('Addresses are those of ramferry receive.'),
  run: (parsed) => {
    const input = String(parsed['input']);
    const options = { ...gatherGuest(parsed, Object.keys(OPTIONS)), input } as DestinationOptions;
    return runGuest(parsed, false, async (reporter) => {
      const summary = await runGuestDestination(options, reporter);
      reporter.result(
        () => formatDestination(summary),
        () => ({ message_type: 'summary', ...summary }),
      );
    });
  },
};
