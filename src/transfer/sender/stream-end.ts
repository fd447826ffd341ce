// How the input of a sender ended, and what follows from it: a stream that broke off must not look like one that arrived.
// Takes the grammar's word; adds what only the input itself tells (a file has a size, a connection may bring no byte).

import { RamferryError, toRamferryError } from '../../errors.js';
import { type Grammar, incomplete, SEEN, type StreamEnd } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';

/**
 * @param grammar undefined where the workers read the pages of a regular file by themselves
 * @param bytes of the stream, all of it
 */
export function streamEnd(grammar: Grammar | undefined, source: ByteSource, bytes: number): StreamEnd {
  // The size of a regular file is the end of a RAM image.
  if (grammar === undefined || (grammar.name === 'raw' && source.file !== undefined)) return SEEN;
  return emptyEnd(source, bytes) ?? grammar.end();
}

/**
 * The input has ended while its first bytes could still be those of a known stream.
 * @throws ERR_INPUT_INCOMPLETE unless it is a whole input all the same: a file, or a command that ended well
 */
export function refuseCutHead(source: ByteSource, bytes: number): void {
  const cut = bytes > 0 && source.tellsEnd !== true;
  const end = cut ? incomplete('it breaks off within its first bytes') : emptyEnd(source, bytes);
  if (end !== undefined) refuseIncomplete(end, source, bytes);
}

/** A hypervisor that gives up at once connects, and closes without a byte. */
function emptyEnd(source: ByteSource, bytes: number): StreamEnd | undefined {
  return bytes === 0 && source.tellsEnd !== true
    ? incomplete('it was closed before the first byte')
    : undefined;
}

/** @throws ERR_INPUT_INCOMPLETE when the stream broke off before its own end */
export function refuseIncomplete(end: StreamEnd, source: ByteSource, bytes: number): void {
  if (end.state === 'incomplete') throw incompleteError(end.because, source, bytes);
}

function incompleteError(
  because: string,
  { label }: ByteSource,
  offset: number,
  cause?: RamferryError,
): RamferryError {
  return new RamferryError('ERR_INPUT_INCOMPLETE', `the stream from ${label} is not complete: ${because}`, {
    offset,
    hint: 'its writer failed, was cancelled, or died; the destination has no usable guest',
    cause,
  });
}

/**
 * What reading the input failed with. A hypervisor that gives up may reset its connection instead of ending it: then the
 * stream is as incomplete as one that ends there.
 */
export function brokenInput(
  thrown: unknown,
  grammar: Pick<Grammar, 'end'>,
  source: ByteSource,
  bytes: number,
): RamferryError {
  const error = toRamferryError(thrown, 'ERR_INPUT_READ');
  // Without a cause it was closed on this side.
  const byPeer = error.code === 'ERR_LINK_CLOSED' && error.cause !== undefined;
  const end = byPeer ? grammar.end() : SEEN;
  return end.state === 'incomplete' ? incompleteError(end.because, source, bytes, error) : error;
}

/** What the user should know of a stream whose end cannot be told; undefined when there is nothing to say. */
export function unseenWarning(end: StreamEnd | undefined): string | undefined {
  if (end?.state !== 'unseen') return undefined;
  return `the end of the stream cannot be verified (stream-end: unseen): ${end.because}; only the hypervisor knows whether it is complete`;
}
