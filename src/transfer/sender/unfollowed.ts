// What a sender says about bytes that no grammar could follow: they arrive unchanged, but shrink less, and the user may want to
// know why. Also refuses what was left unread behind the END of a bare libxc stream in a file.

import { RamferryError } from '../../errors.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';
import { formatSize } from '../../units.js';

/** Behind a wrapping's end `xl migrate` says a few words: those are part of its stream. */
const WORDS_BYTES = 4096;

/** @param because why all of the input was sent as bytes of no known structure */
export function warnOfUnfollowed(
  onWarning: ((message: string) => void) | undefined,
  grammar: Grammar | undefined,
  because: string | undefined,
): void {
  const reason = because ?? (grammar?.name === 'libxc' ? grammar.opaqueBecause : undefined);
  if (reason !== undefined) {
    onWarning?.(
      `the stream could not be followed (${reason}): from there on it was compressed as bytes of no known structure`,
    );
  }
  const behind = grammar?.bytesBehindEnd ?? 0;
  if (behind < WORDS_BYTES) return;
  onWarning?.(
    `${formatSize(behind)} behind the end of the stream were compressed as bytes of no known structure`,
  );
}

/** @param taken bytes that were sent. @throws ERR_STREAM_TRAILING where a file goes on behind the stream's end */
export function refuseRest(source: ByteSource, taken: number): void {
  const left = (source.file?.size ?? taken) - taken;
  if (left <= 0) return;
  throw new RamferryError(
    'ERR_STREAM_TRAILING',
    `${left} bytes follow the END record in ${source.label}, and version 1 of method xenguest has no place for them`,
    { offset: taken, hint: 'leave --xenguest-version out, or cut the file behind its END' },
  );
}
