// `ramferry tune`: options in, advice out, as text or as one line of JSON.

import { formatTune, tuneFields } from '../../report/tune.js';
import { tune } from '../../tune/tune.js';
import { runMeasurement } from '../measuring.js';
import type { Command } from '../command.js';
import { givenOptions, offerOptions } from '../settings/options.js';

export const tuneCommand: Command = {
  build: (parser) =>
    offerOptions(parser, 'tune').epilog(
      'Rates in bits or bytes: 1gbit, 125MB. Nothing of the memory leaves this host, with --probe neither.',
    ),
  run: (parsed) =>
    runMeasurement(parsed, {
      messageType: 'tune',
      measure: (hooks) => tune({ ...givenOptions(parsed, 'tune'), ...hooks }),
      format: formatTune,
      fields: tuneFields,
      report: async (result) => (await import('../../report/html/tune.js')).tuneReport(result),
    }),
};
