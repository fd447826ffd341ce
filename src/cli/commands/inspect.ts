// `ramferry inspect`: the contents of a stream, as text or as one line of JSON.

import { EXIT } from '../../errors.js';
import { inspect as inspectStream } from '../../transfer/inspect/inspect.js';
import { formatInspection } from '../../report/inspect.js';
import { ADDRESSES } from '../../options/help.js';
import { givenOptions, offerOptions } from '../settings/options.js';
import { printResult } from '../output/output.js';
import { type Command, orDash } from '../command.js';
import { handleSignals, reasonOf } from '../process/signals.js';

export const inspect: Command = {
  build: (parser) => offerOptions(parser, 'inspect').epilog(ADDRESSES),
  run: async (parsed) => {
    const verify = parsed['verify'] === true;
    const signals = handleSignals(() => undefined);
    try {
      const options = givenOptions(parsed, 'inspect');
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
