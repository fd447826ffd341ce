// Whose turn it is at something that all chunks share, in shared memory: a chunk waits until so many chunks from the
// start of the stream have had theirs, and says when it has had its own. Turns end in any order.
// Nobody waits for ever: chunks are taken by the workers in an order in which whoever is waited for is at work already,
// and a turn that will never end is said too. It does not know what is shared.

import { RamferryError } from '../errors.js';

/** Turns that have ended, counted from the first without a gap; the low 32 bits, as all numbers here. */
const ENDED = 0;
/** Bumped whenever there is a reason to look again. */
const SIGNAL = 1;
/** The first turn that has failed, plus 1; 0 while none has. */
const BROKEN = 2;
const MARKS = 3;

/** @param underWay most chunks that are between those handed out in order and the last that was begun */
export function allocateTurns(underWay: number): SharedArrayBuffer {
  // A power of two: the low bits of a number then say its place.
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

  /** This turn has ended; said once for each sequence number. */
  end(sequence: number): void {
    const words = this.#words;
    Atomics.store(words, this.#mark(sequence), (sequence + 1) | 0);
    for (;;) {
      const ended = Atomics.load(words, ENDED);
      const next = (ended + 1) | 0;
      if (Atomics.load(words, this.#mark(ended)) !== next) break;
      // Another thread may be at the same: then it has counted this turn.
      Atomics.compareExchange(words, ENDED, ended, next);
    }
    this.#signal();
  }

  /** This turn will never end. */
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
