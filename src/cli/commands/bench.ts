// `ramferry bench`: options in, figures out, as a table, one line of JSON, or a page.

import { formatBench } from '../../report/bench.js';
import { bench } from '../../tune/bench/bench.js';
import { runMeasurement } from '../measuring.js';
import type { Command } from '../command.js';
import { givenOptions, offerOptions } from '../settings/options.js';

export const benchCommand: Command = {
  build: (parser) => offerOptions(parser, 'bench'),
  run: (parsed) =>
    runMeasurement(parsed, {
      messageType: 'bench',
      measure: (hooks) => bench({ ...givenOptions(parsed, 'bench'), ...hooks }),
      format: formatBench,
      report: async (result) => (await import('../../report/html/bench.js')).benchReport(result),
    }),
};
