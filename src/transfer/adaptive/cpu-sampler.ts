// Of which chunks the processor time is taken. Asking the kernel for a thread's clock costs more than all else that the
// adaptive mode does for a chunk, when the chunk has driven everything out of the caches: of short jobs only some are watched.
// Pure; knows nothing of how watching is done.

/** Microseconds that watching one job costs: two to four calls of 5 µs with cold caches, measured on an x86-64 server. */
const COST = 15;
/** Share of the workers' time that it may take. */
const SHARE = 0.005;
/** One job in so many is watched at the least. */
const RAREST = 16;
/** At the start nothing is known: so many are watched one after the other. */
const FIRST = 128;
/** Share of one job that is taken up. */
const SMOOTHING = 0.1;

export class CpuSampler {
  /** Microseconds. */
  #job = 0;
  #since = 0;
  #first = FIRST;

  /** @param micros of processor time of a job; 0 = it was not watched */
  seen(micros: number): void {
    if (micros > 0) this.#job += SMOOTHING * (micros - this.#job);
  }

  /** Whether to watch the next job. */
  next(): boolean {
    if (this.#first > 0) {
      this.#first--;
      return true;
    }
    this.#since++;
    if (this.#since < Math.min(RAREST, COST / (SHARE * this.#job))) return false;
    this.#since = 0;
    return true;
  }
}
