// `ramferry guest source | destination | compare`: a simulated guest. Only the way to its three commands.

import { RamferryError } from '../../errors.js';
import type { Command } from '../command.js';

export const guest: Command = {
  commands: [
    {
      usage: 'source [output]',
      summary: 'Be the source: own RAM, dirty it, pre-copy it into a link, pause, measure',
      load: async () => (await import('./guest-source.js')).guestSource,
    },
    {
      usage: 'destination [input]',
      summary: 'Be the destination: read a guest back, compare its RAM, acknowledge',
      load: async () => (await import('./guest-destination.js')).guestDestination,
    },
    {
      usage: 'compare',
      summary: "Migrate with and without compression, and print QEMU's two tables",
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
