// Adds the place in the stream to errors of the chunk code, which sees one record and not the stream.

import { type ErrorPlace, RamferryError, toRamferryError } from '../errors.js';

/**
 * Adds the record's place to an error that has none. An offset within the record is more exact than the record's start
 * and stays. Any error other than a RamferryError becomes ERR_INTERNAL.
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
