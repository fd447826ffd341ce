// Adds the offset in the stream to errors of code that sees bytes and not the stream.

import { RamferryError } from '../../errors.js';

/** Runs `step`. A RamferryError without an offset gets `offset`. */
export function placed<T>(offset: number, step: () => T): T {
  try {
    return step();
  } catch (thrown) {
    throw withOffset(thrown, offset);
  }
}

/** Returns a RamferryError with its offset in the stream, and any other value unchanged. */
export function withOffset(thrown: unknown, offset: number): unknown {
  if (!(thrown instanceof RamferryError) || thrown.place.offset !== undefined) return thrown;
  return new RamferryError(thrown.code, thrown.message, {
    ...thrown.place,
    offset,
    cause: thrown,
    ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
  });
}
