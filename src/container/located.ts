// Gives errors of the rooms below, which know a record but not the stream, their place in the stream.

import { type ErrorPlace, RamferryError, toRamferryError } from '../errors.js';

/**
 * The same error with the record's place, as far as it has none of its own: an offset within the record says more than
 * the record's start. Anything else than a RamferryError becomes ERR_INTERNAL.
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
