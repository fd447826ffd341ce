// Checks of the records of a Xen stream, with their errors: changed limits, an END without totals, an END without the records
// that every saver writes. Pure; the parser decides when to call each check.

import { recordCapacity } from '../../chunk/encode.js';
import { ENVELOPE_BYTES, type Envelope } from '../xenguest.js';
import { RamferryError } from '../../errors.js';
import { lacking } from '../../grammar/xen/libxc.js';
import type { LibxcRecord } from '../../grammar/xen/libxc-records.js';
import { located } from '../located.js';

const HINT = 'records were lost or changed on the way: the migration must be repeated';

/** @throws ERR_STREAM_FORMAT when a ramferry record has other limits than the first: all records repeat the same limits */
export function checkSameLimits(envelope: Envelope, first: Envelope): void {
  if (envelope.maxChunk === first.maxChunk && envelope.storeBytes === first.storeBytes) return;
  throw new RamferryError('ERR_STREAM_FORMAT', 'a compressed record announces other limits than the first');
}

/** Largest body of a chunk record in bytes: envelope, chunk, padding. */
export function maxBodyBytes(maxChunk: number): number {
  return ENVELOPE_BYTES + recordCapacity(maxChunk) + 8;
}

/** @throws ERR_STREAM_LIMIT when a chunk record is longer than its envelope allows */
export function checkLength({ length }: LibxcRecord, { maxChunk }: Envelope): void {
  if (length <= maxBodyBytes(maxChunk)) return;
  throw new RamferryError('ERR_STREAM_LIMIT', `a compressed record claims ${length} bytes`);
}

/** @throws ERR_STREAM_ORDER when the chunk's sequence number is not the expected one */
export function checkSequence(sequence: number, expected: number): void {
  if (sequence === expected) return;
  throw new RamferryError('ERR_STREAM_ORDER', `chunk ${sequence} stands where chunk ${expected} belongs`, {
    sequence,
  });
}

/** The error for an END or CHECKPOINT of a compressed stream without totals directly before it. */
export function missingTotals({ number, offset }: LibxcRecord): RamferryError {
  return new RamferryError(
    'ERR_STREAM_TOTALS',
    'the stream ends without the totals that must stand before its end',
    { record: number, offset, hint: HINT },
  );
}

/** @param record an END or CHECKPOINT @throws ERR_STREAM_FORMAT when a record that every saver writes is missing before it */
export function checkWhole(record: LibxcRecord): void {
  if (record.missing === undefined) return;
  const { message, ...place } = lacking(record, record.missing);
  throw new RamferryError('ERR_STREAM_FORMAT', message, {
    ...place,
    hint: 'bytes were lost or changed, on the way or before it: the migration must be repeated',
  });
}

/** Runs `work` and adds the record's place to its error. */
export async function locating(record: LibxcRecord, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    throw located(thrown, { record: record.number, offset: record.offset });
  }
}

/** The error for bytes after the totals of a truncated stream. */
export function bytesAfterCut(offset: number): RamferryError {
  return new RamferryError('ERR_STREAM_TRAILING', 'bytes follow the totals of a stream that broke off', {
    offset,
  });
}

/** The error for an input that ends before the stream. @param lost why the walk lost the stream, if it did */
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
 * The error for a lost walk on a shared source: bytes after an unknown record may belong to the source's next reader.
 * @param lost why the walk lost the stream
 */
export function endUnknown(lost: string, offset: number): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', `the end of the stream cannot be told (${lost})`, {
    offset,
    hint: 'the sender writes a stream that this version does not know, or bytes were changed on the way',
  });
}
