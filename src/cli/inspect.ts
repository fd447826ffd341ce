// `ramferry inspect`: what a stream is made of, as text or as one line of JSON.

import { EXIT } from '../errors.js';
import { inspect as inspectStream } from '../migration/inspect.js';
import { formatInspection } from '../report/inspect.js';
import { toStdout } from './output.js';
import type { Command } from './command.js';
import { handleSignals } from './signals.js';

export const inspect: Command = {
  build: (parser) =>
    parser
      .positional('file', { describe: 'a stream that send has written', type: 'string', demandOption: true })
      .options({
        verify: { describe: 'decode every chunk and check everything, as receive does', type: 'boolean' },
        json: { describe: 'as one line of JSON', type: 'boolean' },
      }),
  run: async (parsed) => {
    const verify = parsed['verify'] === true;
    const signals = handleSignals(() => undefined);
    try {
      const report = await inspectStream(String(parsed['file']), { verify, signal: signals.signal });
      toStdout(
        parsed['json'] === true
          ? JSON.stringify({ message_type: 'inspection', verified: verify, ...report })
          : formatInspection(report, verify),
      );
      return EXIT.success;
    } finally {
      signals.dispose();
    }
  },
};
