// `ramferry tune`: options in, advice out, as text or as one line of JSON.

import { formatTune, tuneFields } from '../../report/tune.js';
import type { TuneOptions } from '../../options/tune.js';
import { tune } from '../../tune/tune.js';
import { bindingFromEnvironment } from '../environment.js';
import { given, MEASURING, runMeasurement } from '../measuring.js';
import type { Command } from '../command.js';

export const tuneCommand: Command = {
  build: (parser) =>
    parser
      .positional('input', { describe: 'RAM image or migration stream', type: 'string', demandOption: true })
      .options({
        bandwidth: { describe: 'the link: 1gbit, 100mbit, 25gbit (0 = does not limit)', requiresArg: true },
        probe: {
          describe: 'address of a `ramferry receive --probe`: measures link and destination; no --bandwidth',
          requiresArg: true,
          type: 'string',
        },
        budget: { describe: 'how long to measure (20s)', requiresArg: true },
        'compress-cpus': { describe: 'CPUs for ramferry here (those allowed)', requiresArg: true },
        'decompress-cpus': {
          describe: 'CPUs at the destination (what the probe says, or as many as here)',
          requiresArg: true,
        },
        'dirty-rate': {
          describe: 'memory that the running guest dirties per second: 50MiB; predicts rounds and downtime',
          requiresArg: true,
        },
        'downtime-limit': { describe: 'how long the guest may be paused (300ms)', requiresArg: true },
        writer: {
          describe: 'what takes the bytes at the destination: socket (a hypervisor), file, discard',
          requiresArg: true,
        },
        verify: {
          describe:
            'run the recommendation and its neighbours here, over a limited loopback link; as long again',
          type: 'boolean',
        },
        ...MEASURING,
      })
      .epilog(
        'Rates in bits or bytes: 1gbit, 125MB. Nothing of the memory leaves this host, with --probe neither.',
      ),
  run: (parsed) =>
    runMeasurement(parsed, {
      messageType: 'tune',
      measure: (hooks) =>
        tune({
          ...bindingFromEnvironment(process.env),
          ...(given(
            parsed,
            [
              'input',
              'bandwidth',
              'probe',
              'budget',
              'dirtyRate',
              'downtimeLimit',
              'writer',
              'zstdBinding',
              'verify',
            ],
            ['compressCpus', 'decompressCpus', 'seed'],
          ) as unknown as TuneOptions),
          ...hooks,
        }),
      format: formatTune,
      fields: tuneFields,
      report: async (result) => (await import('../../report/html/tune.js')).tuneReport(result),
    }),
};
