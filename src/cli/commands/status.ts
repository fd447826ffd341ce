// `ramferry status`: asks a running `ramferry serve`.

import { EXIT, RamferryError } from '../../errors.js';
import { formatServer, type ServerAnswer } from '../../report/server.js';
import { ask, type ControlRequest } from '../../serve/control-socket.js';
import { socketPath } from '../../serve/options.js';
import type { Command, ParsedArguments } from '../command.js';
import { offerOptions } from '../settings/options.js';
import { printResult, stdoutWidth } from '../output/output.js';

export const status: Command = {
  build: (parser) => offerOptions(parser, 'status'),
  run: async (parsed) => {
    const line = await ask(socketPath('control', String(parsed['control'])), request(parsed));
    await printResult(
      parsed['json'] === true ? line : formatServer(JSON.parse(line) as ServerAnswer, stdoutWidth()),
    );
    return EXIT.success;
  },
};

function request(parsed: ParsedArguments): ControlRequest {
  const open = parsed['open'] as string | undefined;
  const close = parsed['close'] as string | undefined;
  if (open !== undefined && close !== undefined) {
    throw new RamferryError('ERR_USAGE', '--open and --close cannot both be given');
  }
  if (open !== undefined) return { command: 'open', name: open };
  return close === undefined ? { command: 'status' } : { command: 'close', name: close };
}
