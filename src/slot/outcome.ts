// How a worker reports the outcome of a job: it stores the state last, so that a thread that sees the state sees the results too.
// An error crosses as plain data in the slot's output area.

import { type ErrorData, fromErrorData, RamferryError, toRamferryError } from '../errors.js';
import { STATE } from './job.js';
import type { SlotViews } from './layout.js';

export function jobDone(slot: SlotViews): void {
  slot.job.state = STATE.done;
}

/** @param thrown anything; other errors than RamferryError are reported as ERR_INTERNAL */
export function jobFailed(slot: SlotViews, thrown: unknown, place: { sequence: number }): void {
  const error = toRamferryError(thrown);
  const data: ErrorData = { ...error.toData(), ...place };
  const length = slot.output.write(JSON.stringify(data), 0, 'utf8');
  slot.job.outputLength = length;
  slot.job.state = STATE.failed;
}

/** The error of a failed job. */
export function jobError(slot: SlotViews): RamferryError {
  const text = slot.output.toString('utf8', 0, slot.job.outputLength);
  return fromErrorData(JSON.parse(text) as ErrorData);
}
