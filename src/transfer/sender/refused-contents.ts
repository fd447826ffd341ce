// `refuseContents`: ends a transfer whose input a grammar follows, but which must not be sent: what came is damaged, or ramferry has
// compressed it already. The grammar finds it while it scans.

import { RamferryError } from '../../errors.js';
import type { Grammar } from '../../grammar/grammar.js';

/**
 * @param offset decoded bytes that were sent before
 * @throws ERR_STREAM_FORMAT where bytes were lost, ERR_ALREADY_COMPRESSED
 */
export function refuseContents(grammar: Grammar, offset: number): void {
  if (grammar.compressed === true) throw alreadyCompressed(offset);
  if (grammar.damage !== undefined) throw damaged(grammar.damage);
}

function damaged({ message, record, offset }: NonNullable<Grammar['damage']>): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', message, {
    record,
    offset,
    hint: 'bytes of the input were lost or changed: save the guest again; --format opaque carries the bytes as they are',
  });
}

function alreadyCompressed(offset: number): RamferryError {
  return new RamferryError(
    'ERR_ALREADY_COMPRESSED',
    'the input is compressed already: a Xen stream that holds records of ramferry',
    { offset, hint: 'restore it with `ramferry receive` first, or carry it by other means' },
  );
}
