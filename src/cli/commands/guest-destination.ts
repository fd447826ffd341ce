// `ramferry guest destination`: options in, reports out.

import { runGuestDestination } from '../../guest/destination.js';
import { formatDestination } from '../../report/guest.js';
import type { Command } from '../command.js';
import { givenOptions, offerOptions } from '../settings/options.js';
import { runGuest } from './guest-run.js';

export const guestDestination: Command = {
  build: (parser) =>
    offerOptions(parser, 'guest destination').epilog('Addresses are those of ramferry receive.'),
  run: (parsed) => {
    const options = givenOptions(parsed, 'guest destination');
    return runGuest(parsed, false, async (reporter) => {
      const summary = await runGuestDestination(options, reporter);
      reporter.result(
        () => formatDestination(summary),
        () => ({ message_type: 'summary', ...summary }),
      );
    });
  },
};
