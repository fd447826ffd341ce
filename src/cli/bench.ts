// `ramferry bench`: options in, figures out, as a table, one line of JSON, or a page.

import { EXIT } from '../errors.js';
import { formatBench } from '../report/bench.js';
import { bench, type BenchOptions } from '../tune/bench.js';
import { given, list, stepLine } from './measuring.js';
import { toStdout } from './output.js';
import type { Command } from './command.js';
import { checkReportFile, writeReport } from './report-file.js';
import { handleSignals } from './signals.js';

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
        repetitions: { describe: 'after a warm-up (5; quick 2)', requiresArg: true },
        quick: { describe: 'fewer regions and repetitions: under 30 s', type: 'boolean' },
        peers: {
          describe: 'other programs, where installed (yes); --no-peers leaves them out',
          type: 'boolean',
        },
        seed: { describe: 'same seed, same sample (1)', requiresArg: true },
        'zstd-binding': { describe: 'use this zstd binding; see ramferry features', requiresArg: true },
        html: { describe: 'write a report with charts to this file', requiresArg: true, type: 'string' },
        json: { describe: 'as one line of JSON', type: 'boolean' },
        quiet: { alias: 'q', describe: 'no progress', type: 'boolean' },
      }),
  run: async (parsed) => {
    const html = parsed['html'] as string | undefined;
    checkReportFile(html);
    const line = stepLine(parsed['quiet'] === true);
    const signals = handleSignals(() => undefined);
    try {
      const result = await bench({
        ...(given(
          parsed,
          ['input', 'quick', 'peers', 'zstdBinding'],
          ['repetitions', 'seed'],
        ) as unknown as BenchOptions),
        ...list(parsed, 'codecs', String),
        ...list(parsed, 'levels', Number),
        ...list(parsed, 'chunkSizes', String),
        ...list(parsed, 'threads', Number),
        signal: signals.signal,
        onProgress: (step, share) => line.show(step, share),
      });
      line.end();
      if (html !== undefined) {
        const { benchReport } = await import('../report/html/bench.js');
        await writeReport(html, benchReport(result));
      }
      toStdout(
        parsed['json'] === true ? JSON.stringify({ message_type: 'bench', ...result }) : formatBench(result),
      );
      return EXIT.success;
    } finally {
      line.end();
      signals.dispose();
    }
  },
};
