// The order in which connections to the destination are made: number k only when k - 1 is connected. Their senders may come in any order.

export class Sequence {
  readonly #taken = new Set<number>();
  readonly #waiting = new Map<number, () => void>();
  #next = 0;

  /** A connection of this number has come. */
  has(number: number): boolean {
    return this.#taken.has(number);
  }

  /** Resolves when all connections before this one are made. Stays pending where one of them never comes. */
  turn(number: number): Promise<void> {
    this.#taken.add(number);
    if (number <= this.#next) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.set(number, resolve));
  }

  /** The connection of this number is made. */
  made(number: number): void {
    this.#next = number + 1;
    this.#waiting.get(this.#next)?.();
    this.#waiting.delete(this.#next);
  }
}
