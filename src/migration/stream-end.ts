// How the input of a sender ended, and what follows from it: a stream that broke off must not look like one that arrived.
// Takes the grammar's word; adds what only the input itself tells (a file has a size, a connection may bring no byte).

import { RamferryError } from '../errors.js';
import { type Grammar, incomplete, SEEN, type StreamEnd } from '../grammar/grammar.js';
import type { ByteSource } from '../io/bytes.js';

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
  const withinMagic = source.file === undefined && bytes > 0;
  const end = withinMagic ? incomplete('it breaks off within its first bytes') : emptyEnd(source, bytes);
  if (end !== undefined) refuseIncomplete(end, source, bytes);
}

/** A hypervisor that gives up at once connects, and closes without a byte. */
function emptyEnd(source: ByteSource, bytes: number): StreamEnd | undefined {
  const empty = bytes === 0 && source.file === undefined && source.tellsEnd !== true;
  return empty ? incomplete('it was closed before the first byte') : undefined;
}

/** @throws ERR_INPUT_INCOMPLETE when the stream broke off before its own end */
export function refuseIncomplete(end: StreamEnd, { label }: ByteSource, bytes: number): void {
  if (end.state !== 'incomplete') return;
  throw new RamferryError(
    'ERR_INPUT_INCOMPLETE',
    `the stream from ${label} is not complete: ${end.because}`,
    {
      offset: bytes,
      hint: 'its writer failed, was cancelled, or died; the destination has no usable guest',
    },
  );
}

/** What the user should know of a stream whose end cannot be told; undefined when there is nothing to say. */
export function unseenWarning(end: StreamEnd | undefined): string | undefined {
  if (end?.state !== 'unseen') return undefined;
  return `the end of the stream cannot be verified (stream-end: unseen): ${end.because}; only the hypervisor knows whether it is complete`;
}
