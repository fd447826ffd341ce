// The rates at which the link has limited lately, as one figure for later transfers. Pure.

/** Measured intervals that count: some seconds, so that the figure is that of the last link where the link has changed. */
const KEPT = 64;

interface Sample {
  readonly rate: number;
  readonly bytes: number;
}

export class CarriedRates {
  #samples: Sample[] = [];

  /**
   * @param rate bytes per second of an interval in which the link limited
   * @param bytes that passed in the interval
   */
  record(rate: number, bytes: number): void {
    this.#samples.push({ rate, bytes });
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  /**
   * The median by bytes: intervals in which a packet was lost or a processor was taken away carry few bytes and hardly count.
   * Undefined where the link never limited.
   */
  get typical(): number | undefined {
    const sorted = [...this.#samples].sort((one, other) => one.rate - other.rate);
    let left = sorted.reduce((sum, { bytes }) => sum + bytes, 0) / 2;
    return sorted.find(({ bytes }) => (left -= bytes) <= 0)?.rate;
  }
}
