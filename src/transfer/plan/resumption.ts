// Option `resume` of a receiver: checks that its ends allow it, and says in the hello what the output has already. The sender's part: what a
// receiver's hello asks of the plan.

import { digestText } from '../../container/sums.js';
import { speaks } from '../../control/handshake.js';
import type { Hello } from '../../control/negotiation.js';
import { RamferryError } from '../../errors.js';
import type { Beginning, ByteSink, ByteSource } from '../../io/bytes.js';
import { beginningOf } from '../../io/file/kept-part.js';
import type { Address } from '../../link/address.js';
import type { ResolvedReceiveOptions, ResolvedSendOptions } from '../../options/transfer.js';

/** @throws ERR_OPTION_INVALID where an output cannot be continued, or the sender cannot be told */
export function checkResume(settings: ResolvedReceiveOptions, input: Address, output: Address): void {
  const { resume, oneWay, directIo, passThrough } = settings;
  if (!resume) return;
  const refuse = (why: string, hint: string): RamferryError =>
    new RamferryError('ERR_OPTION_INVALID', `resume: ${why}`, { hint });
  if (output.kind !== 'file') throw refuse('only a file can be continued', 'name a file as the output');
  if (!speaks(input, oneWay)) {
    throw refuse(
      'the sender cannot be told what is here already',
      'use an address of tcp or unix, and no --one-way',
    );
  }
  if (directIo) throw refuse('direct I/O continues no file', 'leave --direct-io out');
  if (passThrough)
    throw refuse('only what ramferry has written can be continued', 'leave --pass-through out');
}

/** What the hello says of an open output. A Xen stream, too, comes in the native container: only its chunks state their places. */
export function resumeHello(sink: ByteSink | undefined): Pick<Hello, 'resume' | 'xenguest'> {
  const partial = sink?.partial;
  if (partial === undefined) return {};
  const { bytes, digest } = partial.kept;
  return { xenguest: [1], ...(bytes === 0 ? {} : { resume: { bytes, digest: digestText(digest) } }) };
}

/**
 * The sender's side: reads what the receiver has already again from the input, and compares.
 * @param hello undefined on a one-way link
 * @returns undefined when the receiver has nothing
 * @throws ERR_INPUT_CHANGED when the input begins otherwise, ERR_LINK_NEGOTIATION when it cannot be sent from there
 */
export async function agreedBeginning(
  hello: Pick<Hello, 'resume'> | undefined,
  source: ByteSource,
  { method, signal, onWarning }: Pick<ResolvedSendOptions, 'method' | 'signal' | 'onWarning'>,
): Promise<Beginning | undefined> {
  const resume = hello?.resume;
  if (resume === undefined) return undefined;
  const { bytes } = resume;
  const { file, label } = source;
  if (file === undefined)
    throw notAgain(bytes, `${label} is no regular file`, 'send the file that was sent before');
  if (method === 'stream')
    throw notAgain(bytes, 'frames of method stream cannot begin there', 'leave --method out');
  if (file.alignment !== 1)
    throw notAgain(bytes, 'direct reads may not begin there', 'leave --direct-io out');
  onWarning?.(`the receiver has ${bytes} bytes already: reading them again from ${label} to compare`);
  const ours = file.size < bytes ? undefined : await beginningOf(file, bytes, signal);
  if (ours !== undefined && digestText(ours.digest) === resume.digest) return ours;
  throw new RamferryError(
    'ERR_INPUT_CHANGED',
    `the first ${bytes} bytes of ${label} are not those that the receiver has from an earlier transfer`,
    { hint: 'send the same file, or remove the partial output and its journal at the receiver' },
  );
}

function notAgain(bytes: number, why: string, hint: string): RamferryError {
  return new RamferryError(
    'ERR_LINK_NEGOTIATION',
    `the receiver continues an output behind its first ${bytes} bytes: ${why}`,
    { hint: `${hint}; or remove the partial output and its journal at the receiver` },
  );
}
