// Gives errors of rooms below, which know bytes but not the stream, their place in it.

import { RamferryError } from '../../errors.js';

/** Runs `step`; a RamferryError that does not say where gets `offset`. */
export function placed<T>(offset: number, step: () => T): T {
  try {
    return step();
  } catch (thrown) {
    throw withOffset(thrown, offset);
  }
}

/** A RamferryError with its place in the stream; anything else as it is. */
export function withOffset(thrown: unknown, offset: number): unknown {
  if (!(thrown instanceof RamferryError) || thrown.place.offset !== undefined) return thrown;
  return new RamferryError(thrown.code, thrown.message, {
    ...thrown.place,
    offset,
    cause: thrown,
    ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
  });
}
