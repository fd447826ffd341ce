// Writes, one behind the other, that a link lets through at less than half its rate: it has become slow. One alone may have
// waited for a packet that was lost. Pure; fed with every write that had to wait.

/** Slower than this share of what the link is believed to carry. */
const SLOW = 0.5;
/** So many writes, and so many milliseconds, are no accident. */
const LEAST_WRITES = 2;
const LEAST_MS = 60;

export class SlowdownDetector {
  #writes = 0;
  #bytes = 0;
  #ms = 0;

  /**
   * So many bytes left meanwhile.
   * @param rate bytes per second that the link is believed to carry
   */
  waited(bytes: number, ms: number, rate: number): void {
    if ((bytes / ms) * 1e3 > SLOW * rate) {
      this.end();
      return;
    }
    this.#writes++;
    this.#bytes += bytes;
    this.#ms += ms;
  }

  /** A write that did not wait. */
  end(): void {
    this.#writes = this.#bytes = this.#ms = 0;
  }

  /** Bytes per second of what the link lets through now; undefined where it has not become slow, or only just. */
  get rate(): number | undefined {
    return this.#writes < LEAST_WRITES || this.#ms < LEAST_MS ? undefined : (this.#bytes / this.#ms) * 1e3;
  }
}
