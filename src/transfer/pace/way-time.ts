// What the way of a chunk takes by itself, without what waits on it. Takes how long chunks took; tells the shortest, and when
// to look again: what the way takes shows only while it is otherwise empty, and it may change. So now and then, while a
// limit holds writes back, the way is let run empty but for a chunk, which is then the measure, as in TCP BBR. It sends
// nothing itself and knows nothing of limits.

/**
 * At first soon: the first chunks wait for a receiver that starts its threads, and for each other. Then seldom: a long way
 * carries nothing meanwhile for as long as it takes.
 */
const FIRST_MS = 500;
const INTERVAL_MS = 10_000;
/**
 * Chunks that are late although no fewer could be on their way: it may be the way that has become longer. Twice the time
 * after each look that finds it is not: a slow way with large chunks.
 */
const LATE_MS = 1000;
const LONGER = 1.5;

export class WayTime {
  readonly #now: () => number;
  #shortest = Infinity;
  #probing = false;
  #interval = FIRST_MS;
  #late = LATE_MS;
  /** When the first chunk arrived, or the way was last learnt anew. */
  #since = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The shortest way that a chunk has had since it was learnt anew, milliseconds; Infinity at first. */
  get shortest(): number {
    return this.#shortest;
  }

  /** The next chunk should find the way empty. */
  get probing(): boolean {
    return this.#probing;
  }

  /** @param milliseconds that a chunk took */
  took(milliseconds: number): void {
    if (this.#shortest === Infinity) this.#since = this.#now();
    this.#shortest = Math.min(this.#shortest, milliseconds);
  }

  /**
   * Begins to look again, if it is time. Called only while writes are held back: otherwise chunks meet an empty way anyhow.
   * @param late chunks are late although as few as possible are on their way
   * @returns whether it has begun
   */
  probe(late: boolean): boolean {
    const interval = late ? Math.min(this.#late, this.#interval) : this.#interval;
    if (this.#now() - this.#since < interval) return false;
    this.#interval = INTERVAL_MS;
    this.#probing = true;
    return true;
  }

  /** A chunk that found the way empty took so long: whatever was shorter before is forgotten. */
  learnt(milliseconds: number): void {
    this.#late = milliseconds > this.#shortest * LONGER ? LATE_MS : this.#late * 2;
    this.#shortest = milliseconds;
    this.giveUp();
  }

  /** Nothing arrives: this is no time to look. */
  giveUp(): void {
    this.#probing = false;
    this.#since = this.#now();
  }
}
