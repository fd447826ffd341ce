// Warns of bytes that no grammar could follow: they arrive unchanged but compress less, and the warning says why. Also refuses bytes
// behind the END of a bare libxc stream in a file, where the container has no place for them.

import { RamferryError } from '../../errors.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';
import { formatSize } from '../../units.js';
import type { PageTally } from '../statistics/counts.js';

/** Behind the end of a wrapping `xl migrate` writes a few short messages that belong to its stream. Fewer bytes cause no warning. */
const MAX_XL_MESSAGE_BYTES = 4096;

/**
 * @param because why the whole input was sent as bytes of unknown structure; undefined where it was not
 * @param tally the pages of the stream
 */
export function warnOfUnfollowed(
  onWarning: ((message: string) => void) | undefined,
  grammar: Grammar | undefined,
  because: string | undefined,
  { identified, anonymous }: PageTally,
): void {
  const reason = because ?? grammar?.opaqueBecause;
  const hint = grammar?.hint;
  const advice = hint === undefined ? '' : `; ${hint}`;
  if (reason !== undefined && grammar?.name === 'libxc') {
    onWarning?.(
      `the stream could not be followed (${reason}): from there on it was compressed as bytes of no known structure`,
    );
  } else if (reason !== undefined && (anonymous > 0 || grammar?.name === 'opaque')) {
    // Without such a block only single bytes were opaque, or postcopy has begun, where pages come one at a time.
    onWarning?.(
      `the stream could not be followed everywhere (${reason}): ${identified} of ${identified + anonymous} pages have a known place${advice}`,
    );
  }
  const behind = grammar?.bytesBehindEnd ?? 0;
  if (behind < MAX_XL_MESSAGE_BYTES) return;
  onWarning?.(
    `${formatSize(behind)} behind the end of the stream were compressed as bytes of no known structure`,
  );
}

/** @param taken bytes that were sent. @throws ERR_STREAM_TRAILING when bytes follow the stream's end in a file */
export function refuseRest(source: ByteSource, taken: number): void {
  const left = (source.file?.size ?? taken) - taken;
  if (left <= 0) return;
  throw new RamferryError(
    'ERR_STREAM_TRAILING',
    `${left} bytes follow the END record in ${source.label}, and version 1 of method xenguest has no place for them`,
    { offset: taken, hint: 'leave --xenguest-version out, or cut the file behind its END' },
  );
}
