// How a sender says which guest, and which connection of it, its stream is. Promises that the receiver has begun with it, or the receiver's error.

import { type ControlReader, introductionTo } from '../../control/channel.js';
import { CHANNELS_VERSION, type Hello, type Introduction } from '../../control/negotiation.js';
import { RamferryError } from '../../errors.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSink } from '../../io/bytes.js';

/** One of several connections of a hypervisor. */
export interface HypervisorChannel {
  /** 128 bits in hexadecimal digits. */
  readonly transfer: string;
  /** Number of the connection, from 0, in the order in which they were accepted. */
  readonly channel: number;
  /** Called with the grammar of its stream. */
  readonly onGrammar?: ((grammar: Grammar) => void) | undefined;
}

export interface Introducing {
  readonly hello: Hello;
  readonly control: Pick<ControlReader, 'onPlace' | 'admitted'>;
  readonly sink: ByteSink;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Introduces this connection where the receiver asks for it, and waits until the receiver begins with it.
 * @throws ERR_LINK_NEGOTIATION when the receiver takes one connection and there are several; what ended the wait
 */
export async function introduce(
  introduction: Omit<Introduction, 'software'>,
  { hello, control, sink, onWarning }: Introducing,
): Promise<void> {
  const isOneOfSeveral = introduction.transfer !== undefined;
  if (isOneOfSeveral !== (hello.channels?.includes(CHANNELS_VERSION) === true))
    throw disagree(isOneOfSeveral);
  const bytes = introductionTo(hello, { software: 'ramferry', ...introduction });
  if (bytes === undefined) return;
  control.onPlace(({ ahead }) => {
    if (ahead > 0) onWarning?.(`waiting in line at the receiver: ${ahead} before this one`);
  });
  const admitted = control.admitted();
  await sink.write(bytes).catch(() => undefined); // reading names the cause
  await admitted;
}

function disagree(wantsSeveral: boolean): RamferryError {
  const what = wantsSeveral
    ? 'this side takes several connections'
    : 'the receiver takes several connections';
  const other = wantsSeveral ? 'the receiver one' : 'this side one';
  return new RamferryError('ERR_LINK_NEGOTIATION', `${what} of the hypervisor, and ${other}`, {
    hint: 'give `send` and `receive` --hypervisor-connections with the same number; `serve` carries one connection of a guest',
  });
}
