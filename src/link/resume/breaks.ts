// How often a link has broken and come back, and for how long it was away. Counts only.

/** The figures of a link that mends, as the reports show them. */
export interface LinkBreaks {
  /** Connections that broke. */
  readonly breaks: number;
  /** Connections that replaced a broken one. */
  readonly reconnects: number;
  /** Milliseconds for which no connection lived. */
  readonly away: number;
}

export class BreakCount {
  #breaks = 0;
  #reconnects = 0;
  #away = 0;
  #since: number | undefined;
  readonly #now: () => number;

  /** @param now milliseconds on a monotonic clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The figures up to now. */
  get figures(): LinkBreaks {
    const pending = this.#since === undefined ? 0 : this.#now() - this.#since;
    return { breaks: this.#breaks, reconnects: this.#reconnects, away: Math.round(this.#away + pending) };
  }

  /** @param isLast no other connection lives */
  broke(isLast: boolean): void {
    this.#breaks += 1;
    if (isLast) this.#since ??= this.#now();
  }

  /** A connection has replaced a broken one. */
  joined(): void {
    this.#reconnects += 1;
    this.end();
  }

  /** A connection lives, or none is waited for any more. */
  end(): void {
    if (this.#since === undefined) return;
    this.#away += this.#now() - this.#since;
    this.#since = undefined;
  }
}
