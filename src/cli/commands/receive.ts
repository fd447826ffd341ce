// `ramferry receive`: options in, exit status out.

import { receive as receiveStream } from '../../channels/dispatch.js';
import { RamferryError } from '../../errors.js';
import { ADDRESS_HELP, givenOptions, offerOptions } from '../settings/options.js';
import type { Command } from '../command.js';
import { runTransfer } from '../transfer.js';

export const receive: Command = {
  build: (parser) => offerOptions(parser, 'receive').epilog(ADDRESS_HELP),
  run: async (parsed) => {
    const options = givenOptions(parsed, 'receive');
    if (parsed['probe'] === true) {
      if (options.output !== '-') {
        throw new RamferryError('ERR_USAGE', 'a probe has no output: receive --probe takes one address only');
      }
      return (await import('./receive-probe.js')).runProbe(parsed, options);
    }
    return runTransfer(parsed, options, (hooks) => receiveStream({ ...options, ...hooks }), {
      command: 'receive',
      side: 'destination',
    });
  },
};
