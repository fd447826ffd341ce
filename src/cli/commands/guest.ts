// `ramferry guest source | destination | compare`: a simulated guest. This module only loads the three commands.

import { RamferryError } from '../../errors.js';
import { COMMANDS } from '../../options/commands.js';
import type { Command } from '../command.js';

export const guest: Command = {
  commands: [
    {
      ...COMMANDS['guest source'],
      load: async () => (await import('./guest-source.js')).guestSource,
    },
    {
      ...COMMANDS['guest destination'],
      load: async () => (await import('./guest-destination.js')).guestDestination,
    },
    {
      ...COMMANDS['guest compare'],
      load: async () => (await import('./guest-compare.js')).guestCompare,
    },
  ],
  build: (parser) => parser.demandCommand(1, 'source, destination or compare is needed'),
  run: () => {
    throw new RamferryError('ERR_USAGE', 'source, destination or compare is needed', {
      hint: 'ramferry guest --help',
    });
  },
};
