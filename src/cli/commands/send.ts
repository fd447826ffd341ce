// `ramferry send`: options in, exit status out.

import { send as sendStream } from '../../transfer/send.js';
import { readConfiguration } from '../config.js';
import { ADDRESS_HELP, givenOptions, offerOptions } from '../options.js';
import type { Command } from '../command.js';
import { runTransfer } from '../transfer.js';

export const send: Command = {
  build: (parser) => offerOptions(parser, 'send').epilog(ADDRESS_HELP),
  run: (parsed) => {
    const { settings, warnings } = readConfiguration(parsed);
    const options = givenOptions(parsed, 'send', settings);
    return runTransfer(parsed, options, (hooks) => {
      warnings.forEach(hooks.onWarning);
      return sendStream({ ...options, ...hooks });
    });
  },
};
