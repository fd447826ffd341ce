// `ramferry guest source`: options in, reports out.

import { runGuestSource } from '../../guest/source.js';
import { formatRound, formatSource } from '../../report/guest.js';
import { formatSize } from '../../units.js';
import type { Command } from '../command.js';
import { givenOptions, offerOptions } from '../settings/options.js';
import { runGuest } from './guest-run.js';

export const guestSource: Command = {
  build: (parser) => offerOptions(parser, 'guest source').epilog('Addresses are those of ramferry send.'),
  run: (parsed) => {
    const options = givenOptions(parsed, 'guest source');
    return runGuest(parsed, options.output === '-', async (reporter) => {
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
