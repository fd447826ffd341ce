// `RoundCounter`: counts the rounds of pre-copy in a stream, from a grammar's reports. Within a round a hypervisor sends pages in
// ascending order, so a page whose identity does not ascend begins a new round. Takes constant memory and a few operations per call.
// Limits: pages without contents in the stream (QEMU's zero pages) are not counted. A source that sends pages out of order seems to
// have more rounds. A round that begins behind the last page of the round before is counted with that round.

/** The size and duration of a round. */
export interface Round {
  /** Pages with contents. */
  readonly pages: number;
  /** Milliseconds from its first page to the first page of the next round. */
  readonly milliseconds: number;
}

/** What is known during the current round. */
export interface RoundsView {
  /** Rounds that have begun, the current one included; 0 before the first page. */
  readonly count: number;
  /** The current round: its pages and its duration so far. */
  readonly current: Round;
  /** The round before it. */
  readonly previous: Round | undefined;
  /** The round before that one. */
  readonly beforePrevious: Round | undefined;
  /** Pages that the round before had sent when it was at the current position. */
  readonly previousUpToHere: number;
  /** No page will follow. */
  readonly complete: boolean;
}

/** Positions kept per round. When there are more, every other one is dropped and the stride doubles. */
const MAX_POSITIONS = 4096;
/** Pages between two positions at first. */
const FIRST_STRIDE = 256;

export class RoundCounter {
  readonly #now: () => number;
  #count = 0;
  #pages = 0;
  #startedAt = 0;
  /** Identity that follows the last page. */
  #next = Infinity;
  #previous: Round | undefined;
  #beforePrevious: Round | undefined;
  #positions = new Positions();
  #previousPositions = new Positions();
  #checkpointed = false;
  #endless = false;

  /** @param now milliseconds on a monotonic clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A grammar reports n pages with consecutive identities, from `identity` on. */
  pages(n: number, identity: number): void {
    if (identity < this.#next) {
      if (identity < 0) return;
      this.#begin();
    }
    this.#pages += n;
    this.#next = identity + n;
    if (this.#pages >= this.#positions.due) this.#positions.add(this.#pages, this.#next);
  }

  /** A grammar reports a checkpoint or the end of the stream. Rounds between checkpoints (Remus) never converge. */
  checkpoint(): void {
    this.#checkpointed = true;
  }

  /** Undefined before the first page, and in a stream with rounds between checkpoints. */
  view(): RoundsView | undefined {
    if (this.#count === 0 || this.#endless) return undefined;
    return {
      count: this.#count,
      current: { pages: this.#pages, milliseconds: this.#now() - this.#startedAt },
      previous: this.#previous,
      beforePrevious: this.#beforePrevious,
      previousUpToHere: this.#previousPositions.pagesUpTo(this.#next),
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
    [this.#positions, this.#previousPositions] = [this.#previousPositions, this.#positions];
    this.#positions.clear();
    this.#count++;
    this.#pages = 0;
    this.#startedAt = now;
  }
}

/** The position of a round, as a page identity, after every `stride` pages. */
class Positions {
  readonly #ends = new Float64Array(MAX_POSITIONS);
  #length = 0;
  #stride = FIRST_STRIDE;

  /** Number of pages at which the next position must be added. */
  get due(): number {
    return (this.#length + 1) * this.#stride;
  }

  clear(): void {
    this.#length = 0;
    this.#stride = FIRST_STRIDE;
  }

  add(pages: number, next: number): void {
    while (pages >= this.due) {
      if (this.#length === MAX_POSITIONS) {
        for (let i = 0; i < MAX_POSITIONS / 2; i++) this.#ends[i] = this.#ends[2 * i + 1]!;
        this.#length = MAX_POSITIONS / 2;
        this.#stride *= 2;
      } else this.#ends[this.#length++] = next;
    }
  }

  /** Pages that the round had sent before the page with this identity, accurate to one stride. */
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
