// `ramferry inspect`: what a stream is made of, as text or as one line of JSON.

import { EXIT } from '../../errors.js';
import { inspect as inspectStream, type InspectOptions } from '../../transfer/inspect/inspect.js';
import { formatInspection } from '../../report/inspect.js';
import { ADDRESSES, COMMON, gather, RECEIVE } from '../options.js';
import { printResult } from '../output.js';
import { type Command, orDash } from '../command.js';
import { handleSignals, reasonOf } from '../signals.js';

export const inspect: Command = {
  build: (parser) =>
    parser
      .positional('stream', {
        describe: 'what send has written, a Xen stream, or frames of zstd, lz4 or gzip',
        type: 'string',
        demandOption: true,
      })
      .options({
        verify: { describe: 'decode every chunk and check everything, as receive does', type: 'boolean' },
        json: { describe: 'as one line of JSON', type: 'boolean' },
        'memory-limit': { ...COMMON['memory-limit']!, describe: 'memory for --verify (320MiB)' },
        'decompress-threads': RECEIVE['decompress-threads']!,
      })
      .epilog(`${ADDRESSES} (standard input).`),
  run: async (parsed) => {
    const verify = parsed['verify'] === true;
    const signals = handleSignals(() => undefined);
    try {
      const options = gather(
        parsed,
        { memoryLimit: 'text', decompressThreads: 'number', zstdBinding: 'text' },
        {},
      ) as InspectOptions;
      const report = await inspectStream(orDash(parsed['stream']), {
        ...options,
        verify,
        signal: signals.signal,
      });
      await printResult(
        parsed['json'] === true
          ? JSON.stringify({ message_type: 'inspection', verified: verify, ...report })
          : formatInspection(report, verify),
      );
      return EXIT.success;
    } catch (thrown) {
      throw await reasonOf(thrown, signals.signal);
    } finally {
      signals.dispose();
    }
  },
};
