// The log of refused connections: a scanner that connects ten times a second must not fill the log. The first ones are reported one
// by one, after that only the 32nd, the 64th and so on.

const REPORTED_SINGLY = 16;

export class Refusals {
  readonly #onWarning: (text: string) => void;
  #count = 0;

  constructor(onWarning: (text: string) => void) {
    this.#onWarning = onWarning;
  }

  get count(): number {
    return this.#count;
  }

  /** @param from address of the other end */
  report(from: string, why: string): void {
    const count = ++this.#count;
    const powerOfTwo = (count & (count - 1)) === 0;
    if (count > REPORTED_SINGLY && !powerOfTwo) return;
    const so = count > REPORTED_SINGLY ? ` (number ${count}; not all are listed)` : '';
    this.#onWarning(`refused a connection from ${from}: ${why}${so}`);
  }
}
