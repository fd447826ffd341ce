// Gives errors of the rooms below, which know a record but not the stream, their place in it.

import { type ErrorPlace, RamferryError, toRamferryError } from '../../errors.js';
import type { OrderedPool } from '../../pool/ordered-pool.js';

/**
 * The same error with the record's place, as far as it has none of its own: an offset within the record says more than
 * its start. Anything that is no RamferryError becomes ERR_INTERNAL.
 */
export function located(thrown: unknown, place: ErrorPlace | undefined): RamferryError {
  const error = toRamferryError(thrown, 'ERR_INTERNAL');
  const { record, offset } = error.place;
  if (place === undefined || (record !== undefined && offset !== undefined)) return error;
  return new RamferryError(error.code, error.message, {
    ...place,
    ...error.place,
    cause: error.cause,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

/**
 * The next slot in order, or undefined at the end. What a thread failed with names the chunk; where its record stands in
 * the stream is known here.
 * @param places of chunks that are under way, by sequence number
 */
export async function nextLocated(
  pool: Pick<OrderedPool, 'next'>,
  places: ReadonlyMap<number, ErrorPlace>,
): Promise<number | undefined> {
  try {
    return await pool.next();
  } catch (thrown) {
    const sequence = thrown instanceof RamferryError ? thrown.place.sequence : undefined;
    throw located(thrown, sequence === undefined ? undefined : places.get(sequence));
  }
}
