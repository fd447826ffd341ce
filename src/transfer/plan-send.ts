// `planSend`: what `send` would do with the same options. Reads the first bytes of an input, touches no output, and asks no receiver.

import { speaks } from '../control/handshake.js';
import { RamferryError } from '../errors.js';
import { type Address, addressOf } from '../link/address.js';
import { openInput } from '../link/open.js';
import { checkNotSameFile } from '../link/same-file.js';
import { resolveSendOptions, type SendOptions } from '../options/transfer.js';
import { allowedCpus } from '../os/processor/cpus.js';
import { namedOptions } from './plan/coding.js';
import { isReadToItsEnd, outputFacts } from './plan/ends.js';
import { listenSettings } from './plan/listening.js';
import { openOptions } from './plan/opening.js';
import { type InputFacts, planTransfer } from './plan/plan-transfer.js';
import { divideMemory } from './plan/reconnection.js';
import { tlsSettings } from './plan/tls.js';
import type { TransferPlan } from './plan/transfer-plan.js';
import { inputFacts, recogniseInput } from './sender/recognise-input.js';

/** What `send` would do. */
export interface PlannedSend {
  readonly plan: TransferPlan;
  /** The receiver says on the link what it takes; it has not been asked. */
  readonly receiverMayNarrow: boolean;
}

/** Kinds of addresses whose content is there to be looked at: a look takes no hypervisor's connection and starts no command. */
const READABLE: ReadonlySet<Address['kind']> = new Set<Address['kind']>(['file', 'fd', 'stdio', 'stream']);

/**
 * Plans what `send` would do with these options, and does nothing of it. Reads the first bytes of an input that is a file, a
 * descriptor, standard input or a stream; of any other the format must be declared. Does not touch the output, so a receiver
 * may still narrow the plan.
 * @throws RamferryError as `send` does before it connects; ERR_OPTION_INVALID where the format must be declared
 */
export async function planSend(options: SendOptions): Promise<PlannedSend> {
  const settings = divideMemory(resolveSendOptions(options));
  const named = namedOptions(options);
  const input = addressOf(settings.input);
  const output = addressOf(settings.output);
  checkNotSameFile(input, output);
  tlsSettings(settings, output);
  listenSettings(settings, [input, output]);
  const planned = (facts: InputFacts): PlannedSend => {
    const plan = planTransfer({
      ...{ settings, named, hello: undefined, input: facts, cpus: allowedCpus() },
      output: outputFacts(settings.output, settings.maxBandwidth),
    });
    return { plan, receiverMayNarrow: speaks(output, settings.oneWay) };
  };
  const { format } = settings;
  if (!READABLE.has(input.kind)) {
    if (format !== 'auto') return planned({ kind: format, isReadToItsEnd: isReadToItsEnd(settings.input) });
    throw new RamferryError('ERR_OPTION_INVALID', `format: a plan does not read from ${input.kind}`, {
      hint: 'say what the input will be: --format qemu',
    });
  }
  const { source } = await openInput(input, openOptions(settings));
  try {
    return planned(inputFacts(await recogniseInput(source!, format), source!, settings.input));
  } finally {
    await source!.close();
  }
}
