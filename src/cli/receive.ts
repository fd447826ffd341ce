// `ramferry receive`: options in, exit status out.

import { receive as receiveStream } from '../migration/receive.js';
import { receiveOptions, receiveParser } from './options.js';
import type { Command } from './command.js';
import { runTransfer } from './transfer.js';

export const receive: Command = {
  build: receiveParser,
  run: (parsed) => {
    const options = receiveOptions(parsed);
    return runTransfer(parsed, options, (hooks) => receiveStream({ ...options, ...hooks }));
  },
};
