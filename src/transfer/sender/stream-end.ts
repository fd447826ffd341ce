// Determines how the input of a sender ended, and raises the error for a stream that broke off: it must not pass for a complete one.
// The grammar decides, except where only the input knows: the size of a file is its end, and a connection may close without a byte.

import { RamferryError, toRamferryError } from '../../errors.js';
import { type Grammar, incomplete, SEEN, type StreamEnd, unseen } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';

/**
 * @param grammar undefined where the workers read extents of a regular file
 * @param bytes length of the whole stream
 */
export function streamEnd(grammar: Grammar | undefined, source: ByteSource, bytes: number): StreamEnd {
  // The size of a regular file is the end of a RAM image.
  if (grammar === undefined || (grammar.name === 'raw' && source.file !== undefined)) return SEEN;
  return emptyEnd(source, bytes) ?? grammar.end();
}

/** The end of a migration stream that was continued in its middle. */
export const CONTINUED: StreamEnd = unseen(
  'an earlier transfer has brought its beginning, and in the middle no grammar can follow it',
);

/**
 * Checks an input that ended while its bytes could still begin a known stream.
 * @throws ERR_INPUT_INCOMPLETE unless the source itself states its end: a file, or a command that succeeded
 */
export function refuseCutHead(source: ByteSource, bytes: number): void {
  const cut = bytes > 0 && source.tellsEnd !== true;
  const end = cut ? incomplete('it breaks off within its first bytes') : emptyEnd(source, bytes);
  if (end !== undefined) refuseIncomplete(end, source, bytes);
}

/** Incomplete when the input has no byte: a hypervisor that fails at once connects and closes. Undefined otherwise. */
function emptyEnd(source: ByteSource, bytes: number): StreamEnd | undefined {
  return bytes === 0 && source.tellsEnd !== true
    ? incomplete('it was closed before the first byte')
    : undefined;
}

/** @throws ERR_INPUT_INCOMPLETE when the stream broke off before its end */
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
 * The error of the transfer after a read has failed. A hypervisor that fails may reset its connection instead of closing it. Such a
 * stream is as incomplete as a stream that ends at that byte.
 */
export function brokenInput(
  thrown: unknown,
  grammar: Pick<Grammar, 'end'>,
  source: ByteSource,
  bytes: number,
): RamferryError {
  const error = toRamferryError(thrown, 'ERR_INPUT_READ');
  // An ERR_LINK_CLOSED without a cause means that this process closed the connection.
  const byPeer = error.code === 'ERR_LINK_CLOSED' && error.cause !== undefined;
  const end = byPeer ? grammar.end() : SEEN;
  return end.state === 'incomplete' ? incompleteError(end.because, source, bytes, error) : error;
}

/** The warning for a stream whose end the format does not show; undefined for other streams. */
export function unseenWarning(end: StreamEnd | undefined): string | undefined {
  if (end?.state !== 'unseen') return undefined;
  return `the end of the stream cannot be verified (stream-end: unseen): ${end.because}; only the hypervisor knows whether it is complete`;
}
