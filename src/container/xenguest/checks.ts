// Checks of the records of a Xen stream and their errors: limits that change, an END without totals or without the records
// that every saver writes. Pure; the parser decides when each check is due.

import { recordCapacity } from '../../chunk/encode.js';
import { ENVELOPE_BYTES, type Envelope } from '../xenguest.js';
import { RamferryError } from '../../errors.js';
import { lacking } from '../../grammar/xen/libxc.js';
import type { LibxcRecord } from '../../grammar/xen/libxc-records.js';
import { located } from '../located.js';

const HINT = 'records were lost or changed on the way: the migration must be repeated';

/** @throws ERR_STREAM_FORMAT; the limits stand in every record of ours, and never change */
export function checkSameLimits(envelope: Envelope, first: Envelope): void {
  if (envelope.maxChunk === first.maxChunk && envelope.storeBytes === first.storeBytes) return;
  throw new RamferryError('ERR_STREAM_FORMAT', 'a compressed record announces other limits than the first');
}

/** Most bytes of the body of a chunk record: envelope, chunk, padding. */
export function mostInput(maxChunk: number): number {
  return ENVELOPE_BYTES + recordCapacity(maxChunk) + 8;
}

/** @throws ERR_STREAM_LIMIT when a chunk record is longer than its envelope allows */
export function checkLength({ length }: LibxcRecord, { maxChunk }: Envelope): void {
  if (length <= mostInput(maxChunk)) return;
  throw new RamferryError('ERR_STREAM_LIMIT', `a compressed record claims ${length} bytes`);
}

/** @throws ERR_STREAM_ORDER when a chunk is not the next one */
export function checkSequence(sequence: number, expected: number): void {
  if (sequence === expected) return;
  throw new RamferryError('ERR_STREAM_ORDER', `chunk ${sequence} stands where chunk ${expected} belongs`, {
    sequence,
  });
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

/** Adds the record's place to the errors of the work. */
export async function locating(record: LibxcRecord, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    throw located(thrown, { record: record.number, offset: record.offset });
  }
}

/** Bytes behind the totals of a stream that broke off. */
export function behindCut(offset: number): RamferryError {
  return new RamferryError('ERR_STREAM_TRAILING', 'bytes follow the totals of a stream that broke off', {
    offset,
  });
}

/** The input is over before the stream is. @param lost why the stream could not be followed */
export function endsEarly(lost: string | undefined, offset: number): RamferryError {
  const text =
    lost === undefined
      ? 'the stream ends early'
      : `the stream cannot be followed (${lost}) and has no totals at its end`;
  return new RamferryError('ERR_STREAM_TRUNCATED', text, {
    offset,
    hint: 'the sender or the link stopped before the end, or bytes were changed: the transfer must be repeated',
  });
}

/**
 * Bytes behind an unknown record may be the stream's, or belong to another reader of the source.
 * @param lost why the stream could not be followed
 */
export function endless(lost: string, offset: number): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', `the end of the stream cannot be told (${lost})`, {
    offset,
    hint: 'the sender writes a stream that this version does not know, or bytes were changed on the way',
  });
}
