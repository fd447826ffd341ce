// Page numbers and addresses: 64-bit words of the skeleton that mostly count up.
// A word is written as the difference to the word before it in the chunk, high and low halves apart, so that all arithmetic stays
// within 32 bits. A progression of any length takes 4 to 8 bytes, a single word 1 to 3.
// It knows nothing of what the words mean.

import { RamferryError } from '../errors.js';
import { OP, type OperationReader, type OperationWriter } from './operations.js';

/** A shorter progression is cheaper within a list. */
const MIN_PROGRESSION = 4;

/** The word before the next; 0 at the start of a chunk. */
export interface WordState {
  high: number;
  low: number;
}

/** Writes the words of chunks as operations. */
export class WordWriter {
  readonly #out: OperationWriter;
  readonly #state: WordState = { high: 0, low: 0 };

  // The current words.
  #view!: DataView;
  #offset = 0;
  #count = 0;
  #bigEndian = false;

  constructor(out: OperationWriter) {
    this.#out = out;
  }

  /** Begins a new chunk. */
  begin(): void {
    this.#state.high = this.#state.low = 0;
  }

  /** Writes `count` words at `offset`. */
  write(view: DataView, offset: number, count: number, bigEndian: boolean): void {
    this.#view = view;
    this.#offset = offset;
    this.#count = count;
    this.#bigEndian = bigEndian;
    // QEMU writes a single word before each page: no search needed.
    if (count === 1) this.#list(0, 1);
    else this.#search();
  }

  /** Finds the progressions among the words; the words between them become lists. */
  #search(): void {
    const count = this.#count;
    let pending = 0;
    let at = 0;
    while (at < count) {
      const end = this.#progressionEnd(at);
      if (end - at >= MIN_PROGRESSION) {
        this.#list(pending, at);
        this.#head(this.#bigEndian ? OP.progressionBE : OP.progressionLE, at, end - at);
        this.#out.signed((this.#low(at + 1) - this.#low(at)) | 0);
        this.#state.low = this.#low(end - 1);
        pending = end;
        at = end;
      } else {
        // The last word of a short progression may start a longer one.
        at = Math.max(at + 1, end - 1);
      }
    }
    this.#list(pending, count);
  }

  /** End (exclusive) of the progression that starts at `from`. */
  #progressionEnd(from: number): number {
    const count = this.#count;
    if (from + 1 >= count || this.#high(from + 1) !== this.#high(from)) return from + 1;
    const stride = (this.#low(from + 1) - this.#low(from)) | 0;
    let end = from + 2;
    while (
      end < count &&
      this.#high(end) === this.#high(from) &&
      ((this.#low(end) - this.#low(end - 1)) | 0) === stride
    ) {
      end++;
    }
    return end;
  }

  /** Words one by one: a list for each stretch with the same high half. */
  #list(from: number, to: number): void {
    let start = from;
    while (start < to) {
      let end = start + 1;
      while (end < to && this.#high(end) === this.#high(start)) end++;
      this.#head(this.#bigEndian ? OP.listBE : OP.listLE, start, end - start);
      for (let index = start + 1; index < end; index++) {
        this.#out.signed((this.#low(index) - this.#low(index - 1)) | 0);
      }
      this.#state.low = this.#low(end - 1);
      start = end;
    }
  }

  #head(kind: number, from: number, length: number): void {
    const state = this.#state;
    this.#out.begin(kind, length);
    this.#out.signed((this.#high(from) - state.high) | 0);
    this.#out.signed((this.#low(from) - state.low) | 0);
    state.high = this.#high(from);
  }

  #high(index: number): number {
    const bigEndian = this.#bigEndian;
    return this.#view.getInt32(this.#offset + index * 8 + (bigEndian ? 0 : 4), !bigEndian);
  }

  #low(index: number): number {
    const bigEndian = this.#bigEndian;
    return this.#view.getInt32(this.#offset + index * 8 + (bigEndian ? 4 : 0), !bigEndian);
  }
}

/** Carries out one word operation, whose head has been read. @returns bytes written at `offset` */
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
