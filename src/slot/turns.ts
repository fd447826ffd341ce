// Turns at something that all chunks share, in shared memory. A chunk waits until the first N chunks of the stream have had
// their turns, and reports the end of its own. Turns end in any order.
// No wait is endless: workers take chunks in stream order, so the chunk that another waits for is at work already, and a turn
// that will never end is reported too. The file does not know what is shared.

import { RamferryError } from '../errors.js';

/** Turns that have ended, counted from the first without a gap. All numbers here are the low 32 bits. */
const ENDED = 0;
/** Incremented whenever there is a reason to look again. */
const SIGNAL = 1;
/** The first turn that has failed, plus 1; 0 while none has. */
const BROKEN = 2;
const MARKS = 3;

/** @param underWay most chunks between the last that was handed out in order and the last that was begun */
export function allocateTurns(underWay: number): SharedArrayBuffer {
  // A power of two: the low bits of a sequence number are its index.
  return new SharedArrayBuffer((MARKS + 2 ** Math.ceil(Math.log2(underWay + 1))) * 4);
}

export class Turns {
  readonly #words: Int32Array;
  readonly #mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#mask = this.#words.length - MARKS - 1;
  }

  /**
   * Blocks this thread until the first `count` turns have ended.
   * @throws ERR_INTERNAL when one of them has failed; its own failure comes before this one in stream order
   */
  wait(count: number): void {
    const words = this.#words;
    for (;;) {
      const signal = Atomics.load(words, SIGNAL);
      if (ahead(count, Atomics.load(words, ENDED)) <= 0) return;
      const broken = Atomics.load(words, BROKEN);
      if (broken !== 0 && ahead(count, broken) >= 0) {
        throw new RamferryError('ERR_INTERNAL', 'a chunk that this one needs has failed');
      }
      Atomics.wait(words, SIGNAL, signal);
    }
  }

  /** Reports the end of a turn; once for each sequence number. */
  end(sequence: number): void {
    const words = this.#words;
    Atomics.store(words, this.#mark(sequence), (sequence + 1) | 0);
    for (;;) {
      const ended = Atomics.load(words, ENDED);
      const next = (ended + 1) | 0;
      if (Atomics.load(words, this.#mark(ended)) !== next) break;
      // Another thread may do the same at this moment: then it has counted this turn.
      Atomics.compareExchange(words, ENDED, ended, next);
    }
    this.#signal();
  }

  /** Reports that this turn will never end. */
  fail(sequence: number): void {
    const words = this.#words;
    const number = (sequence + 1) | 0;
    for (;;) {
      const broken = Atomics.load(words, BROKEN);
      if (broken !== 0 && ahead(number, broken) >= 0) break;
      Atomics.compareExchange(words, BROKEN, broken, number);
    }
    this.#signal();
  }

  /** Reports that no further turn will end: every wait for one throws. */
  failRest(): void {
    this.fail(Atomics.load(this.#words, ENDED));
  }

  #mark(sequence: number): number {
    return MARKS + (sequence & this.#mask);
  }

  #signal(): void {
    Atomics.add(this.#words, SIGNAL, 1);
    Atomics.notify(this.#words, SIGNAL);
  }
}

/** How far `one` is ahead of `other`, where only their low 32 bits are known. */
function ahead(one: number, other: number): number {
  return (one - other) | 0;
}
