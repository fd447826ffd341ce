// Page numbers and addresses: 64-bit words of the skeleton that mostly count up.
// A word is written as the difference to the word before it in the chunk, high and low halves apart, so that no
// arithmetic leaves 32 bits: a progression costs 4 to 8 bytes whatever its length, a lone word 1 to 3.
// It knows nothing of what the words mean.

import { RamferryError } from '../errors.js';
import { OP, type OperationReader, type OperationWriter } from './operations.js';

/** A progression this short is cheaper within a list. */
const MIN_PROGRESSION = 4;

/** The word before the next one; 0 at the start of a chunk. */
export interface WordState {
  high: number;
  low: number;
}

/** Writes `count` words at `offset` as operations. */
export function writeWords(
  out: OperationWriter,
  state: WordState,
  view: DataView,
  offset: number,
  count: number,
  bigEndian: boolean,
): void {
  const highAt = bigEndian ? 0 : 4;
  const lowAt = bigEndian ? 4 : 0;
  if (count === 1) {
    // QEMU writes one before each page: not worth the search below.
    const loneHigh = view.getInt32(offset + highAt, !bigEndian);
    const loneLow = view.getInt32(offset + lowAt, !bigEndian);
    out.begin(bigEndian ? OP.listBE : OP.listLE, 1);
    out.signed((loneHigh - state.high) | 0);
    out.signed((loneLow - state.low) | 0);
    state.high = loneHigh;
    state.low = loneLow;
    return;
  }
  const high = (index: number): number => view.getInt32(offset + index * 8 + highAt, !bigEndian);
  const low = (index: number): number => view.getInt32(offset + index * 8 + lowAt, !bigEndian);

  /** End (exclusive) of the progression that starts at `from`. */
  const progressionEnd = (from: number): number => {
    if (from + 1 >= count || high(from + 1) !== high(from)) return from + 1;
    const stride = (low(from + 1) - low(from)) | 0;
    let end = from + 2;
    while (end < count && high(end) === high(from) && ((low(end) - low(end - 1)) | 0) === stride) end++;
    return end;
  };

  const head = (kind: number, from: number, length: number): void => {
    out.begin(kind, length);
    out.signed((high(from) - state.high) | 0);
    out.signed((low(from) - state.low) | 0);
    state.high = high(from);
  };

  const list = (from: number, to: number): void => {
    let start = from;
    while (start < to) {
      let end = start + 1;
      while (end < to && high(end) === high(start)) end++;
      head(bigEndian ? OP.listBE : OP.listLE, start, end - start);
      for (let index = start + 1; index < end; index++) out.signed((low(index) - low(index - 1)) | 0);
      state.low = low(end - 1);
      start = end;
    }
  };

  let pending = 0;
  let at = 0;
  while (at < count) {
    const end = progressionEnd(at);
    if (end - at >= MIN_PROGRESSION) {
      list(pending, at);
      head(bigEndian ? OP.progressionBE : OP.progressionLE, at, end - at);
      out.signed((low(at + 1) - low(at)) | 0);
      state.low = low(end - 1);
      pending = end;
      at = end;
    } else {
      // The last word of a short progression may start a longer one.
      at = Math.max(at + 1, end - 1);
    }
  }
  list(pending, count);
}

/** Carries out one word operation, whose head has been read; returns the bytes written at `offset`. */
export function readWords(
  operation: OperationReader,
  state: WordState,
  view: DataView,
  offset: number,
): number {
  const { kind, count } = operation;
  const bigEndian = kind === OP.progressionBE || kind === OP.listBE;
  if (count * 8 > view.byteLength - offset) {
    throw new RamferryError('ERR_STREAM_FORMAT', "a chunk's operations produce more than its decoded length");
  }
  const high = (state.high + operation.signed()) | 0;
  let low = (state.low + operation.signed()) | 0;
  const progression = kind === OP.progressionLE || kind === OP.progressionBE;
  const stride = progression && count > 1 ? operation.signed() : 0;
  for (let index = 0; index < count; index++) {
    if (index > 0) low = (low + (progression ? stride : operation.signed())) | 0;
    const at = offset + index * 8;
    view.setInt32(at + (bigEndian ? 0 : 4), high, !bigEndian);
    view.setInt32(at + (bigEndian ? 4 : 0), low, !bigEndian);
  }
  state.high = high;
  state.low = low;
  return count * 8;
}
