// `ramferry bench`: options in, figures out, as a table, one line of JSON, or a page.

import { formatBench } from '../../report/bench.js';
import { bench } from '../../tune/bench/bench.js';
import type { BenchOptions } from '../../options/tune.js';
import { bindingFromEnvironment } from '../environment.js';
import { given, list, MEASURING, numeric, runMeasurement } from '../measuring.js';
import type { Command } from '../command.js';

export const benchCommand: Command = {
  build: (parser) =>
    parser
      .positional('input', { describe: 'RAM image or migration stream', type: 'string', demandOption: true })
      .options({
        codecs: { describe: 'which: zstd,lz4 (all)', requiresArg: true, type: 'string' },
        levels: {
          describe: 'of codecs that have levels: 1,3,9 (a few of each)',
          requiresArg: true,
          type: 'string',
        },
        'chunk-sizes': { describe: '64KiB to 4MiB: 256KiB,1MiB (1MiB)', requiresArg: true, type: 'string' },
        threads: {
          describe: 'numbers of threads: 1,2,4 (1 and all CPUs)',
          requiresArg: true,
          type: 'string',
        },
        before: {
          describe: 'an older image of the same guest: what deltas gain on pages sent again',
          requiresArg: true,
          type: 'string',
        },
        repetitions: { describe: 'after a warm-up (5; quick 2)', requiresArg: true },
        quick: { describe: 'fewer regions and repetitions: under 30 s', type: 'boolean' },
        peers: {
          describe: 'other programs, where installed (yes); --no-peers leaves them out',
          type: 'boolean',
        },
        ...MEASURING,
      }),
  run: (parsed) =>
    runMeasurement(parsed, {
      messageType: 'bench',
      measure: (hooks) =>
        bench({
          ...bindingFromEnvironment(process.env),
          ...(given(
            parsed,
            ['input', 'quick', 'peers', 'before', 'zstdBinding'],
            ['repetitions', 'seed'],
          ) as unknown as BenchOptions),
          ...list(parsed, 'codecs', String),
          ...list(parsed, 'levels', numeric),
          ...list(parsed, 'chunkSizes', String),
          ...list(parsed, 'threads', numeric),
          ...hooks,
        }),
      format: formatBench,
      report: async (result) => (await import('../../report/html/bench.js')).benchReport(result),
    }),
};
