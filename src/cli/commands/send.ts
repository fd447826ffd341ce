// `ramferry send`: options in, exit status out.

import { send as sendStream } from '../../transfer/send.js';
import { withConfig } from '../config.js';
import { sendOptions, sendParser } from '../options.js';
import type { Command } from '../command.js';
import { runTransfer } from '../transfer.js';

export const send: Command = {
  build: sendParser,
  run: (parsed) => {
    const { options, warnings } = withConfig(sendOptions(parsed), parsed);
    return runTransfer(parsed, options, (hooks) => {
      warnings.forEach(hooks.onWarning);
      return sendStream({ ...options, ...hooks });
    });
  },
};
