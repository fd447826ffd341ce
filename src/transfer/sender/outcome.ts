// Decides how a sender reports a transfer that broke off: as failed, or as unknown once the final part of the stream may have reached
// a reader that acts on it (docs/INTEGRATION.md, "When the outcome is unknown"). Pure: takes the facts, returns the error.

import type { Result } from '../../control/negotiation.js';
import { type ErrorCode, RamferryError, toRamferryError } from '../../errors.js';
import type { ByteSink } from '../../io/bytes.js';
import type { Sender } from './sender.js';

/** Errors that state the outcome themselves, wherever the stream broke off. */
const DEFINITE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_OUTCOME_UNKNOWN',
  'ERR_INPUT_CHANGED',
  'ERR_INPUT_INCOMPLETE',
]);

export interface BrokenOff {
  readonly sender: Pick<Sender, 'finalMayHaveLeft' | 'reachesFinal'>;
  readonly sink: Pick<ByteSink, 'inert'>;
  /** The receiver's last result message; undefined without one. */
  readonly result: Result | undefined;
}

/** @returns `error`, or ERR_OUTCOME_UNKNOWN with `error` as its cause */
export function outcomeOf(error: RamferryError, { sender, sink, result }: BrokenOff): RamferryError {
  if (DEFINITE_CODES.has(error.code) || sink.inert === true) return error;
  // The receiver states how many bytes the program behind it may have. A receiver of version 0.1 does not.
  const delivered = result?.ok === false ? result.bytes : undefined;
  const unknown = delivered === undefined ? sender.finalMayHaveLeft : sender.reachesFinal(delivered);
  return unknown ? outcomeUnknown(error) : error;
}

export function outcomeUnknown(cause: RamferryError): RamferryError {
  return new RamferryError(
    'ERR_OUTCOME_UNKNOWN',
    `the end of the stream may have arrived, and whether the destination has the guest is not known: ${cause.code}: ${cause.describe()}`,
    {
      cause,
      hint:
        'look at the destination before you do anything with the source: if the guest is there, the source must not run again; ' +
        'only when the destination is gone for certain may the source go on',
    },
  );
}

/** The error to report: the signal's reason, because it caused all later errors; but an unknown outcome takes precedence. */
export function reasonOf(thrown: unknown, signal: AbortSignal | undefined): RamferryError {
  const error = toRamferryError(thrown);
  const unknown = error.code === 'ERR_OUTCOME_UNKNOWN' || error.code === 'ERR_HANDOVER_UNKNOWN';
  return signal?.reason instanceof RamferryError && !unknown ? signal.reason : error;
}
