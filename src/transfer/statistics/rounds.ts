// Counts the rounds of pre-copy in a stream. Within a round a hypervisor sends pages in ascending order, so a page whose identity
// does not ascend begins a new round. Fed with a grammar's reports; constant memory, a few operations a call. Limits: pages
// without contents in the stream (QEMU's zero pages) are not seen; a source that sends out of order seems to have more
// rounds; a round that begins behind the last page of the round before is counted with it.

import { NO_IDENTITY } from '../../grammar/grammar.js';

/** A round that is over. */
export interface Round {
  /** Pages with contents. */
  readonly pages: number;
  /** Milliseconds from its first page to the first page of the next round. */
  readonly milliseconds: number;
}

/** What is known while the newest round goes on. */
export interface RoundsView {
  /** Rounds so far, the one at hand included; 0 before the first page. */
  readonly count: number;
  /** The round at hand: pages so far, and for how long. */
  readonly current: Round;
  /** The round before it. */
  readonly previous: Round | undefined;
  /** The round before that one. */
  readonly beforePrevious: Round | undefined;
  /** Pages that the round before had sent when it was at the place where the round at hand is now. */
  readonly previousUpToHere: number;
  /** No page will follow. */
  readonly complete: boolean;
}

/** Places of a round that are remembered; when there are more, every other place is dropped. */
const MARKS = 4096;
const FIRST_STRIDE = 256;

export class RoundCounter {
  readonly #now: () => number;
  #count = 0;
  #pages = 0;
  #startedAt = 0;
  /** Identity after the last page. */
  #next = Infinity;
  #previous: Round | undefined;
  #beforePrevious: Round | undefined;
  #places = new Places();
  #previousPlaces = new Places();
  #checkpointed = false;
  #endless = false;

  /** @param now milliseconds that never go back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** n pages with consecutive identities: a grammar's report. */
  pages(n: number, identity: number): void {
    if (identity < this.#next) {
      if (identity === NO_IDENTITY) return;
      this.#begin();
    }
    this.#pages += n;
    this.#next = identity + n;
    if (this.#pages >= this.#places.due) this.#places.add(this.#pages, this.#next);
  }

  /** The stream has a checkpoint or its end here. Rounds between checkpoints (Remus) never converge. */
  checkpoint(): void {
    this.#checkpointed = true;
  }

  /** Undefined before the first page, and where rounds are not meant to end. */
  view(): RoundsView | undefined {
    if (this.#count === 0 || this.#endless) return undefined;
    return {
      count: this.#count,
      current: { pages: this.#pages, milliseconds: this.#now() - this.#startedAt },
      previous: this.#previous,
      beforePrevious: this.#beforePrevious,
      previousUpToHere: this.#previousPlaces.pagesUpTo(this.#next),
      complete: false,
    };
  }

  #begin(): void {
    const now = this.#now();
    if (this.#checkpointed) this.#endless = true;
    if (this.#count > 0) {
      this.#beforePrevious = this.#previous;
      this.#previous = { pages: this.#pages, milliseconds: now - this.#startedAt };
    }
    [this.#places, this.#previousPlaces] = [this.#previousPlaces, this.#places];
    this.#places.clear();
    this.#count++;
    this.#pages = 0;
    this.#startedAt = now;
  }
}

/** Where a round was after every so many pages. */
class Places {
  readonly #ends = new Float64Array(MARKS);
  #length = 0;
  #stride = FIRST_STRIDE;

  /** Number of pages with which the next place is to be added. */
  get due(): number {
    return (this.#length + 1) * this.#stride;
  }

  clear(): void {
    this.#length = 0;
    this.#stride = FIRST_STRIDE;
  }

  add(pages: number, next: number): void {
    while (pages >= this.due) {
      if (this.#length === MARKS) {
        for (let i = 0; i < MARKS / 2; i++) this.#ends[i] = this.#ends[2 * i + 1]!;
        this.#length = MARKS / 2;
        this.#stride *= 2;
      } else this.#ends[this.#length++] = next;
    }
  }

  /** Pages that had been sent before the one with this identity, to within a stride. */
  pagesUpTo(next: number): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle]! <= next) low = middle + 1;
      else high = middle;
    }
    return low * this.#stride;
  }
}
