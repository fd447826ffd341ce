// What a receiver of a Xen stream holds against a record, and how it says so: limits that change, an END without totals or
// without the records that every saver writes. Pure checks; when they are made is the parser's business.

import type { Envelope } from '../../container/xenguest.js';
import { RamferryError } from '../../errors.js';
import { lacking } from '../../grammar/xen/libxc.js';
import type { LibxcRecord } from '../../grammar/xen/libxc-records.js';
import { located } from './located.js';

const HINT = 'records were lost or changed on the way: the migration must be repeated';

/** @throws ERR_STREAM_FORMAT; the limits stand in every record of ours, and never change */
export function checkSameLimits(envelope: Envelope, first: Envelope): void {
  if (envelope.maxChunk === first.maxChunk && envelope.storeBytes === first.storeBytes) return;
  throw new RamferryError('ERR_STREAM_FORMAT', 'a compressed record announces other limits than the first');
}

/** An END or CHECKPOINT of a compressed stream without totals directly before it. */
export function withoutTotals({ number, offset }: LibxcRecord): RamferryError {
  return new RamferryError(
    'ERR_STREAM_TOTALS',
    'the stream ends without the totals that must stand before its end',
    { record: number, offset, hint: HINT },
  );
}

/** @param record an END or CHECKPOINT. @throws ERR_STREAM_FORMAT when it comes before what every saver writes */
export function checkWhole(record: LibxcRecord): void {
  if (record.missing === undefined) return;
  const { message, ...place } = lacking(record, record.missing);
  throw new RamferryError('ERR_STREAM_FORMAT', message, {
    ...place,
    hint: 'bytes were lost or changed, on the way or before it: the migration must be repeated',
  });
}

/** Errors of the work say in which record they happened. */
export async function locating(record: LibxcRecord, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    throw located(thrown, { record: record.number, offset: record.offset });
  }
}
