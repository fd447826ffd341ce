// `ramferry send`: options in, exit status out.

import { send as sendStream, wantsSeveral } from '../../channels/dispatch.js';
import { EXIT } from '../../errors.js';
import { formatPlan, planLine } from '../../report/plan.js';
import { planSend } from '../../transfer/plan-send.js';
import { sendWith } from '../../transfer/send.js';
import type { Command, ParsedArguments } from '../command.js';
import { readConfiguration } from '../settings/config.js';
import { unknownVariables } from '../settings/environment.js';
import { HistoryFile, wantsHistory } from '../cache/history-file.js';
import { ADDRESS_HELP, givenOptions, offerOptions } from '../settings/options.js';
import { printResult, warnOnStderr } from '../output/output.js';
import { runTransfer, type TransferHooks } from '../transfer.js';

export const send: Command = {
  build: (parser) => offerOptions(parser, 'send').epilog(ADDRESS_HELP),
  run: (parsed) => {
    const { settings, warnings } = readConfiguration(parsed);
    const options = givenOptions(parsed, 'send', settings);
    if (parsed['dryRun'] === true) return dryRun(parsed, options, warnings);
    const remembers = wantsHistory(parsed, process.env);
    const transfer = (hooks: TransferHooks): ReturnType<typeof sendStream> => {
      warnings.forEach(hooks.onWarning);
      if (!remembers || wantsSeveral(options)) return sendStream({ ...options, ...hooks });
      return sendWith({ ...options, ...hooks }, { memory: new HistoryFile(process.env) });
    };
    return runTransfer(parsed, options, transfer, { command: 'send', side: 'source' });
  },
};

async function dryRun(
  parsed: ParsedArguments,
  options: Parameters<typeof planSend>[0],
  warnings: readonly string[],
): Promise<number> {
  [...unknownVariables(process.env), ...warnings].forEach(warnOnStderr);
  const planned = await planSend(options);
  await printResult(parsed['json'] === true ? planLine(planned) : formatPlan(planned));
  return EXIT.success;
}
